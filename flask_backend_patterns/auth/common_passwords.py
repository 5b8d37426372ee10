"""Passwords, and words within them, that guessers try first; in lower case."""

from __future__ import annotations

from typing import Final

COMMON_PASSWORDS: Final = frozenset(
    """
    password passwort passwords passw0rd motdepasse contrasena senha parola wachtwoord losenord haslo sifre
    secret secrets topsecret geheim default changeme changeit change letmein letmeinnow opensesame sesame
    welcome welcomeback willkommen bienvenue hello helloworld hellohello goodbye login loginlogin logmein
    admin administrator adminadmin administration root rootroot toor superuser sysadmin system manager
    guest guestguest user username useruser test tester testing testtest demo demodemo temp temporary example
    qwerty qwertyuiop qwertz qwertzuiop azerty azertyuiop asdfgh asdfghjkl zxcvbn zxcvbnm qazwsx qazwsxedc
    1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc 1qazxsw2 q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 zaq12wsx
    123qweasd 123qweasdzxc qweasdzxc qwe123qwe asd123asd abc123abc abcd1234 a1b2c3d4 a1b2c3d4e5 aa123456 abc12345
    12341234 11223344 1122334455 112233445566 123123123 121212121212 123321123321 987654321 9876543210 147258369
    159753159753 741852963 963852741 102030405060 0987654321 0123456789 3141592653 31415926535 2718281828
    iloveyou iloveyoutoo iloveu loveyou lovelove lovers lovely forever always sweetheart honey darling babygirl babyboy
    princess prince queen kingkong angel angels heaven jesus jesuschrist christ godisgood blessed blessing faith
    dragon dragons monkey monkeys tiger tigers lion eagle eagles panther panthers wolf wolves bear bears shadow phoenix
    butterfly dolphin dolphins elephant unicorn kitten kitty puppy hellokitty pokemon pikachu charizard naruto
    superman batman spiderman ironman wonderwoman starwars startrek skywalker darthvader gandalf hobbit matrix
    football baseball basketball hockey soccer softball volleyball swimming running golfer fishing hunting racing
    liverpool arsenal chelsea barcelona juventus manchester realmadrid bayern lakers cowboys yankees steelers packers
    sunshine summer winter spring autumn january february september october november december monday friday sunday
    flower flowers rainbow diamond crystal silver golden purple orange yellow chocolate cookie cookies cheese banana
    computer internet keyboard laptop windows microsoft google facebook linkedin instagram samsung nintendo playstation
    mustang corvette ferrari porsche mercedes harley yamaha honda toyota
    michael michelle jennifer jessica jordan thomas robert daniel charlie andrew joshua matthew william george ashley
    nicole amanda samantha alexander alexandra maggie ginger buster bailey cooper hannah taylor
    trustno1 whatever freedom access master masterkey killer hunter hunter2 ranger thunder lightning ninja samurai
    pirate wizard magic mystery destiny legend blink182 metallica nirvana slipknot guitar rockstar music dancer
    correcthorsebatterystaple correct horse battery staple thequickbrownfox qwerty12345 zxcvbnm12345 asdfasdf asdfasdfasdf
    nothing nopassword mypassword mypass yourpassword thepassword pass passpass passpass1 password1password
    """.split()  # noqa: SIM905 - a list of 340 lines is no easier to read
)
