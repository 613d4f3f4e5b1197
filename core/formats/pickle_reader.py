"""Reads what a pickle describes without running any of it.

A pickle is a program for a small stack machine. This is that machine with plain data only: it imports nothing and
calls nothing. A name that the program wants to import goes to the caller's `find`, which answers with a function of its
own or refuses; objects are dicts of their attributes. Opcodes: Lib/pickletools.py of CPython, which parses them.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

from core.errors import ModelError

Find = Callable[[str], Any]
MAX_STEPS = 10_000_000

CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"),
}


class _Mark:
    """Where a tuple, or a run of items, begins on the stack."""


def read_pickle(data: bytes, find: Find, persistent: Callable[[Any], Any]) -> Any:
    """The value that the pickle describes.

    `find("module name")` gives what stands for that name: a function if the pickle calls it. `persistent` gives what
    stands for a reference to data outside the pickle. Raises `ModelError` for a damaged pickle or an opcode that no
    tensor file has; what `find` raises passes through.
    """
    machine = _Machine(find, persistent)
    try:
        for steps, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if steps > MAX_STEPS:
                raise ModelError(f"its description has more than {MAX_STEPS} steps; it is refused")
            machine.step(opcode.name, argument)
        return machine.result()
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ModelError(f"its description is damaged ({type(error).__name__}: {error})") from None


class _Machine:
    def __init__(self, find: Find, persistent: Callable[[Any], Any]) -> None:
        self.find, self.persistent = find, persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def result(self) -> Any:
        (value,) = self.stack
        return value

    def step(self, name: str, argument: Any) -> None:
        if name in VALUES:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif method := getattr(self, "op_" + name.lower(), None):
            method(argument)
        else:
            raise ModelError(f"its description uses {name}, which no file of tensors needs; it is refused")

    def since_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while not isinstance(self.stack[place], _Mark):
            place -= 1
            if place < 0:
                raise ValueError("no mark on the stack")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def op_proto(self, version: int) -> None:
        pass

    def op_stop(self, _: None) -> None:
        pass

    def op_mark(self, _: None) -> None:
        self.stack.append(_Mark())

    def op_empty_dict(self, _: None) -> None:
        self.stack.append({})

    def op_empty_list(self, _: None) -> None:
        self.stack.append([])

    def op_tuple(self, _: None) -> None:
        self.stack.append(tuple(self.since_mark()))

    def op_tuple1(self, _: None) -> None:
        self.stack[-1:] = [(self.stack[-1],)]

    def op_tuple2(self, _: None) -> None:
        self.stack[-2:] = [(self.stack[-2], self.stack[-1])]

    def op_tuple3(self, _: None) -> None:
        self.stack[-3:] = [(self.stack[-3], self.stack[-2], self.stack[-1])]

    def op_binput(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    op_long_binput = op_binput

    def op_binget(self, place: int) -> None:
        self.stack.append(self.memo[place])

    op_long_binget = op_binget

    def op_global(self, name: str) -> None:
        self.stack.append(self.find(name))

    def op_reduce(self, _: None) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], arguments)

    op_newobj = op_reduce

    def op_build(self, _: None) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], dict) or not isinstance(state, dict):
            raise TypeError("attributes of something that has none")
        self.stack[-1].update(state)

    def op_binpersid(self, _: None) -> None:
        self.stack[-1] = self.persistent(self.stack[-1])

    def op_append(self, _: None) -> None:
        self._append([self.stack.pop()])

    def op_appends(self, _: None) -> None:
        self._append(self.since_mark())

    def op_setitem(self, _: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def op_setitems(self, _: None) -> None:
        self._set(self.since_mark())

    def _call(self, function: Any, arguments: Any) -> Any:
        # Only `find` puts functions on the stack, so nothing else can ever be called here.
        if not callable(function) or not isinstance(arguments, tuple):
            raise TypeError("a call of something that is no function")
        return function(*arguments)

    def _append(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("items for something that is no list")
        self.stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict) or len(items) % 2:
            raise TypeError("entries for something that is no dict")
        # Not the tuples that Python allows: hashing one that holds another twice, many levels deep, never ends.
        if any(not isinstance(key, str | int | float) for key in items[::2]):
            raise TypeError("a key that is neither text nor a number")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))
