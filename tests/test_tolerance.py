"""Does the comparison of documents let pass what differs between processors, and nothing else?"""

from __future__ import annotations

import pytest

from tests.tolerance import agrees

HITS = """\
1  0.636  demo/a.jpg  pink yacht
2  0.608  demo/b.jpg  pink ship
── from here on, nothing clearly matches
3  0.603  demo/c.jpg  purple tents
4  0.571  demo/d.jpg  a red car
"""
LABELS = """\
demo/scene-00003.jpg
   74.7%  a boat    ██████████████████
   13.1%  a house   ███
   12.8%  a wood    ███
    0.2%  a forest
"""
STATUS = """\
folder      ...demo
collection  demo/.clipdex  (... MB)
images    300 in 12.5 MB, 99.5 % of them by model 2.13.0
"""


@pytest.mark.parametrize(
    ("promised", "came"),
    [
        (HITS, HITS),
        (HITS, HITS.replace("0.636", "0.631").replace("0.571", "0.576")),  # at the edge of what is allowed
        (HITS, HITS.replace("0.636  demo", "0.6360  demo")),
        (
            HITS,
            "1  0.636  demo/a.jpg  pink yacht\n2  0.606  demo/c.jpg  purple tents\n"
            "── from here on, nothing clearly matches\n"
            "3  0.605  demo/b.jpg  pink ship\n4  0.571  demo/d.jpg  a red car\n",
        ),
        (LABELS, LABELS.replace("74.7%", "74.2%").replace("██████████████████", "█████████████████")),
        (LABELS, LABELS.replace("0.2%  a forest", "0.6%  a forest  █")),
        (
            LABELS,
            LABELS.replace("13.1%  a house   ███\n   12.8%  a wood ", "13.0%  a wood    ███\n   12.9%  a house"),
        ),
        (STATUS, STATUS.replace("...demo", "/tmp/demo").replace("(... MB)", "(1.3 MB)").replace("99.5 %", "99.2 %")),
        ("[('a', 0.95), ('b', 0.05), ('c', 0.0)]\n", "[('a', 0.94), ('b', 0.05), ('c', 0.01)]\n"),
        ("0.004\n", "-0.001\n"),
        ("72 %\n", "73 %\n"),
        ("said 0.712.\n", "said 0.715.\n"),
    ],
)
def test_what_another_processor_may_say_agrees(promised: str, came: str) -> None:
    assert agrees(promised, came)


@pytest.mark.parametrize(
    ("promised", "came"),
    [
        (HITS, HITS.replace("0.636", "0.642")),
        (HITS, HITS.replace("demo/d.jpg", "demo/e.jpg")),
        (HITS, HITS.replace("0.571  demo/d.jpg", "0.570  demo/e.jpg")),  # another one at the end of the list
        (HITS, HITS.replace("pink ship", "pink sheep")),
        (HITS, HITS.replace("2  0.608", "3  0.608")),
        (HITS, HITS.replace("0.571", "0.571%")),
        (HITS, "".join(HITS.splitlines(keepends=True)[:-1])),
        (HITS, "".join(HITS.splitlines(keepends=True)[i] for i in (0, 2, 1, 3, 4))),  # the line between them moved
        (  # 0.028 lie between the two that changed places
            HITS,
            HITS.replace("0.636  demo/a.jpg  pink yacht", "0.636  demo/b.jpg  pink ship", 1).replace(
                "0.608  demo/b.jpg  pink ship", "0.608  demo/a.jpg  pink yacht", 1
            ),
        ),
        (HITS, HITS.replace("0.608  demo/b.jpg  pink ship", "0.606  demo/c.jpg  purple tents")),  # one of them twice
        (LABELS, LABELS.replace("74.7%", "74.1%")),
        (LABELS, LABELS.replace("██████████████████", "████████████████")),
        (LABELS, LABELS.replace("a boat", "a ship")),
        (STATUS, STATUS.replace("300", "301")),
        (STATUS, STATUS.replace("12.5 MB", "12.6 MB")),
        (STATUS, STATUS.replace("2.13.0", "2.13.1")),
        ("[('a', 0.95)]\n", "[('a', 0.93)]\n"),
        ("['scene-1.001.jpg', 'b']\n", "['scene-1.002.jpg', 'b']\n"),
        ("0.571\n", ""),
        ("", "0.571\n"),
        ("error: 3 words\n", "error: 4 words\n"),
    ],
)
def test_another_answer_does_not(promised: str, came: str) -> None:
    assert not agrees(promised, came)
