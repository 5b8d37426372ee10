"""Our numbers by chance are not the app's."""

import random
import subprocess
import sys

from flask_backend_patterns._chance import CHANCE
from flask_backend_patterns.observability.request_id import random_id

CHILDREN = """
import os, random, sys
from flask_backend_patterns.observability.request_id import random_id

for _ in range(3):
    if not (child := os.fork()):
        print(random_id(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
print(random_id())
"""


def test_an_app_that_seeds_its_numbers_does_not_give_two_requests_one_id():
    """As tests and simulations do at the start of each process."""
    ids = set()
    for _ in range(3):
        random.seed(1)
        ids.add(random_id())
    assert len(ids) == 3


def test_the_numbers_of_an_app_are_not_disturbed():
    """A run that was seeded gives the same numbers again, whatever we draw meanwhile."""
    random.seed(1)
    expected = [random.random() for _ in range(3)]
    random.seed(1)
    found = []
    for _ in range(3):
        random_id()
        CHANCE.uniform(0, 1)
        found.append(random.random())
    assert found == expected


def test_forked_children_go_on_otherwise():
    """Servers fork their workers from one parent: each has ids of its own."""
    run = subprocess.run([sys.executable, "-c", CHILDREN], capture_output=True, text=True, check=True)
    assert len(set(run.stdout.split())) == 4
