"""The strategies as one would explain them: a log of what was let through, whole fractions, trial and error."""

from fractions import Fraction
from math import ceil

from flask_backend_patterns.limits.settings import FIXED_WINDOW, GCRA, SLIDING_WINDOW

SECOND = 1_000_000


class FixedModel:
    def __init__(self, amount, window):
        self.amount, self.window = amount, window
        self.log = []  # (when, cost)

    def room(self, now):
        begin = None
        count = 0
        for when, cost in self.log:
            if begin is None or when >= begin + self.window:
                begin, count = when, 0
            count += cost
        return self.amount - (count if begin is not None and now < begin + self.window else 0)

    def take(self, now, cost):
        self.log.append((now, cost))

    def turns(self, now):
        """The moments at which there may be more room."""
        return [when + self.window for when, _ in self.log]


class SlidingModel(FixedModel):
    def room(self, now):
        begin, counts = None, {}
        for when, cost in [*self.log, (now, 0)]:
            if begin is None or when >= begin + 2 * self.window:
                begin, counts = when, {}
            elif when >= begin + self.window:
                begin += self.window
            counts[begin] = counts.get(begin, 0) + cost
        if begin is None:
            return self.amount
        in_sight = Fraction(begin + self.window - now, self.window)
        weighted = ceil(counts.get(begin - self.window, 0) * in_sight) - 1  # down; from a whole number too
        return max(0, self.amount - counts.get(begin, 0) - max(0, weighted))


class GcraModel(FixedModel):
    def room(self, now):
        emission = Fraction(self.window, self.amount)
        arrival = Fraction(0)
        for when, cost in self.log:
            arrival = max(arrival, when) + cost * emission
        ahead = max(Fraction(0), arrival - now)
        return int((self.window - ahead) / emission)


MODELS = {FIXED_WINDOW: FixedModel, SLIDING_WINDOW: SlidingModel, GCRA: GcraModel}


class Model:
    """All limits together: what a store of windows is held against."""

    def __init__(self):
        self.limits = {}

    def limit(self, charge):
        name = (charge.key, charge.strategy, charge.amount, charge.window_seconds)
        if name not in self.limits:
            self.limits[name] = MODELS[charge.strategy](charge.amount, charge.window_seconds * SECOND)
        return self.limits[name]

    def charge(self, charges, now):
        """For each charge: whether it fits, and the room that is left; all are taken or none."""
        costs = {}
        for charge in charges:
            costs[self.limit(charge)] = costs.get(self.limit(charge), 0) + charge.cost
        fits = {limit: cost <= limit.room(now) for limit, cost in costs.items()}
        if all(fits.values()):
            for limit, cost in costs.items():
                if cost:
                    limit.take(now, cost)
        return [(fits[self.limit(charge)], self.limit(charge).room(now)) for charge in charges]
