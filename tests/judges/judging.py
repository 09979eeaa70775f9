"""How every judge judges: a rule is a sentence and a check, which fails by raising."""

import sys
import time

RULES = []


def rule(sentence):
    """Registers a check."""

    def keep(check):
        RULES.append((sentence, check))
        return check

    return keep


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"found {found!r}, wanted {wanted!r}")


def until(look, seconds=10):
    """What a look gives as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"did not happen within {seconds} s")


def judge(stage, only="", after=lambda: None):
    """Checks the rules whose sentence has `only` in it, one line for each, and calls `after` behind each. Ends the program:
    with 1 and the list of those that do not hold, or with 0."""
    rules = [(sentence, check) for sentence, check in RULES if only in sentence]
    failures = []
    for sentence, check in rules:
        try:
            check(stage)
            print(f"ok: {sentence}", flush=True)
        except Exception as error:  # whatever goes wrong, the rule was not shown to hold
            failures.append(f"{sentence}: {type(error).__name__}: {error}")
            print(f"NOT OK: {sentence}", flush=True)
        after()
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(rules) - len(failures)} of {len(rules)} documented rules hold")
    sys.exit(1 if failures or not rules else 0)
