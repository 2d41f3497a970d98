"""Builds an ONNX model value by value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias, cast, overload

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from flyball_runtime.errors import InternalError

__all__ = ["IR_VERSION", "ML_OPSET", "OPSET", "DType", "GraphBuilder", "GraphInvalid"]

OPSET = 18
OPSET_OF_STRINGS = 20  # where an operator of this set is used; other graphs stay with the older one, and their bytes
ML_OPSET = 5
IR_VERSION = 10
ML_DOMAIN = "ai.onnx.ml"
ROWS = "rows"

_STRING_OPERATORS = frozenset({"StringSplit"})

DType: TypeAlias = "np.dtype[Any] | type[np.generic] | type[str]"


class GraphInvalid(InternalError):
    """The graph that was built is not a valid ONNX model: a type, shape or operator does not fit."""

    code = "FB-GRAPH-001"


class GraphBuilder:
    """One ONNX graph (ai.onnx 18, or 20 where it splits text; ai.onnx.ml 5) whose every value has rows of free number.

    Values are named by strings. Equal constants, and equal nodes on equal inputs, become one; what no output needs is
    left out; the same calls in the same order give the same bytes. Not thread-safe.

    >>> builder = GraphBuilder()
    >>> x = builder.input("x", np.float32, 2)
    >>> doubled = builder.node("Mul", x, builder.constant(np.float32(2)))
    >>> builder.output("y", doubled, np.float32, 2)
    >>> model = onnx.load_from_string(builder.build("twice x"))
    >>> [node.op_type for node in model.graph.node]
    ['Mul', 'Identity']
    """

    def __init__(self) -> None:
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = {}
        self._nodes: dict[tuple[Any, ...], onnx.NodeProto] = {}
        self._names: set[str] = set()
        self._scope = ""

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Prefix the names of all values made inside by `name/`: it shows which part of a model they belong to."""
        outer, self._scope = self._scope, f"{self._scope}{name}/"
        try:
            yield
        finally:
            self._scope = outer

    def input(self, name: str, dtype: DType, width: int | None) -> str:
        """Declare a graph input of shape (rows, width), or (rows,) without a width; returns its name."""
        self._claim(name)
        self._inputs.append(_value_info(name, dtype, width))
        return name

    def constant(self, array: ArrayLike, hint: str = "constant") -> str:
        """A tensor known now: numpy arrays keep their type, strings become a string tensor."""
        values = np.asarray(array)
        if values.dtype.kind in "UO":
            # no length prefix would let ["ab"] and ["a", "b"] share a key
            data = b"".join(len(raw).to_bytes(8, "big") + raw for raw in (str(v).encode() for v in values.ravel()))
            key = ("string", values.shape, data)
        else:
            key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._constants:
            self._constants[key] = _tensor(self._fresh(hint), values)
        return str(self._constants[key].name)

    @overload
    def node(self, op: str, *inputs: str, domain: str = "", outputs: Literal[1] = 1, **attributes: Any) -> str: ...
    @overload
    def node(self, op: str, *inputs: str, domain: str = "", outputs: int, **attributes: Any) -> tuple[str, ...]: ...
    def node(
        self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any
    ) -> str | tuple[str, ...]:
        """Apply an operator; an omitted optional input is "". One name comes back, or a tuple when `outputs` > 1.

        Attributes are numbers, texts, lists of these, or numpy arrays, which become tensors.
        """
        for name in inputs:
            if name and name not in self._names:
                raise GraphInvalid(f"{op} reads the value {name!r}, which does not exist", fix="create it before use")
        made = [
            helper.make_attribute(key, numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value)
            for key, value in sorted(attributes.items())
        ]
        key = (op, domain, inputs, outputs, *(attribute.SerializeToString(deterministic=True) for attribute in made))
        if key not in self._nodes:
            names = [self._fresh(op) for _ in range(outputs)]
            proto = helper.make_node(op, list(inputs), names, name=names[0], domain=domain)
            proto.attribute.extend(made)
            self._nodes[key] = proto
        results = tuple(self._nodes[key].output)
        return results[0] if outputs == 1 else results

    def cast(self, value: str, dtype: DType) -> str:
        """The value converted to another element type."""
        return self.node("Cast", value, to=_element_type(dtype))

    def output(self, name: str, value: str, dtype: DType, width: int | None = None) -> None:
        """Declare a graph output: `value`, of shape (rows, width), or (rows,) without a width, under `name`."""
        if value not in self._names:
            raise GraphInvalid(f"output {name!r} reads the value {value!r}, which does not exist")
        self._claim(name)
        self._nodes["output", name] = helper.make_node("Identity", [value], [name], name=name)
        self._outputs.append(_value_info(name, dtype, width))

    def build(self, doc: str = "", metadata: Mapping[str, str] | None = None) -> bytes:
        """The checked model as bytes. Raises GraphInvalid when the ONNX checker or its strict shape inference objects."""
        nodes = self._needed()
        read = {name for node in nodes for name in node.input}
        constants = [tensor for tensor in self._constants.values() if tensor.name in read]
        graph = helper.make_graph(nodes, "flyball", self._inputs, self._outputs, initializer=constants)
        newer = any(node.op_type in _STRING_OPERATORS for node in nodes)
        opsets = [
            helper.make_opsetid("", OPSET_OF_STRINGS if newer else OPSET),
            helper.make_opsetid(ML_DOMAIN, ML_OPSET),
        ]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="flyball")
        model.doc_string = doc
        helper.set_model_props(model, dict(sorted((metadata or {}).items())))
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise GraphInvalid("the ONNX graph is not valid", why=str(error).strip()) from error
        return cast("bytes", model.SerializeToString(deterministic=True))

    def _needed(self) -> list[onnx.NodeProto]:
        wanted = {output.name for output in self._outputs}
        kept: list[onnx.NodeProto] = []
        for node in reversed(self._nodes.values()):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                kept.append(node)
        return kept[::-1]

    def _fresh(self, hint: str) -> str:
        base = self._scope + hint
        name, count = base, 1
        while name in self._names:
            count += 1
            name = f"{base}_{count}"
        self._names.add(name)
        return name

    def _claim(self, name: str) -> None:
        if name in self._names:
            raise GraphInvalid(f"the graph has two values named {name!r}")
        self._names.add(name)


def _element_type(dtype: DType) -> int:
    resolved = np.dtype(dtype)
    if resolved.kind in "UO":
        return int(TensorProto.STRING)
    return int(helper.np_dtype_to_tensor_dtype(resolved))


def _value_info(name: str, dtype: DType, width: int | None) -> onnx.ValueInfoProto:
    shape: list[str | int] = [ROWS] if width is None else [ROWS, width]
    return helper.make_tensor_value_info(name, _element_type(dtype), shape)


def _tensor(name: str, values: NDArray[Any]) -> onnx.TensorProto:
    if values.dtype.kind in "UO":
        encoded = [str(value).encode() for value in values.ravel()]
        return helper.make_tensor(name, TensorProto.STRING, values.shape, encoded)
    return numpy_helper.from_array(np.ascontiguousarray(values).reshape(values.shape), name)
