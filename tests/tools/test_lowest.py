"""The lowest versions that are asked for in the tests of the core."""

from lowest import lowest

SETUP = """\
[options]
install_requires =
    # Why it is needed.
    numpy >= 1.26
    tensorflow >= 2.18; platform_system != "Linux"
    msgspec >= 0.21

[options.extras_require]
dev =
    mypy >= 1.10
    pytest >= 8
"""


def test_each_requirement_is_pinned_to_its_lowest_but_for_the_large_and_those_no_test_needs() -> None:
    assert lowest(SETUP) == ["numpy==1.26", "msgspec==0.21", "pytest==8"]
