"""Every model file as ONNX: onnx.checker, and two pictures through ONNX Runtime and OpenVINO against our own program.

Rows of a prediction are compared by the token that they come from. Prints a table in Markdown.
"""

import json
import pathlib
import subprocess
import sys

import numpy
import onnx
import onnxruntime
import openvino

REPO = pathlib.Path(__file__).resolve().parents[2]
WRITER = pathlib.Path(sys.argv[1]).parent / "tests/parity/rtdetr_write_onnx"
SIDE = 320
LIMIT = 1e-4  # of a score, and of a side of the picture
JUMPS = 0.01  # rows that may be beyond it in a model that samples single cells: over a cell's edge lies another value
ROOM = 1.02  # a file to its weights


def tensors(file):
    """The arrays of a safetensors file, and its metadata."""
    data = file.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    types = {"F32": numpy.float32, "I64": numpy.int64}
    metadata = header.pop("__metadata__")
    arrays = {}
    for name, entry in header.items():
        begin, end = (start + offset for offset in entry["data_offsets"])
        arrays[name] = numpy.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
    return arrays, metadata


def with_tokens(file, name):
    """The model with its selected tokens as one more output."""
    model = onnx.load(file)
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None))
    return model.SerializeToString(), len(model.graph.node)


def scores(logits):
    return 1 / (1 + numpy.exp(-logits.astype(numpy.float64)))


def difference(expected, found):
    """(largest of scores, of boxes, tokens that only one of the two selects, share of rows beyond the limit)"""
    worst_score, worst_box, others, beyond = 0.0, 0.0, 0, []
    for picture in range(len(expected["tokens"])):
        places = {token: row for row, token in enumerate(found["tokens"][picture])}
        rows = [(row, places[token]) for row, token in enumerate(expected["tokens"][picture]) if token in places]
        others += len(expected["tokens"][picture]) - len(rows)
        ours, theirs = (list(side) for side in zip(*rows))
        apart = numpy.abs(scores(expected["logits"][picture][ours]) - scores(found["logits"][picture][theirs]))
        worst_score = max(worst_score, apart.max())
        moved = numpy.abs(expected["boxes"][picture][ours] - found["boxes"][picture][theirs])
        worst_box = max(worst_box, moved.max())
        beyond.append((numpy.maximum(apart.max(-1), moved.max(-1)) > LIMIT).mean())
    return worst_score, worst_box, others, numpy.mean(beyond)


def through_onnxruntime(model, images, names):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(names, {"images": images})


def through_openvino(model, images, names):
    core = openvino.Core()
    found = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})({"images": images})
    return [found[name] for name in names]


def compare(name, folder):
    subprocess.run([WRITER, folder, str(SIDE), name], check=True, cwd=REPO)
    file = folder / f"{name}.onnx"
    expected, metadata = tensors(folder / f"{name}.safetensors")
    onnx.checker.check_model(file, full_check=True)
    model, nodes = with_tokens(file, metadata["tokens"])
    share = file.stat().st_size / int(metadata["weights"])
    cells, right = [], share <= ROOM
    for engine in (through_onnxruntime, through_openvino):
        outputs = engine(model, expected["images"], ["logits", "pred_boxes", metadata["tokens"]])
        score, box, others, beyond = difference(expected, dict(zip(("logits", "boxes", "tokens"), outputs)))
        right = right and beyond <= (JUMPS if name.endswith("_dsp") else 0) and others == 0
        cells.append(f"{score:.1e} | {box:.1e} | {others}")
    print(f"| {name} | {nodes} | {share - 1:.1%} | {' | '.join(cells)} |", flush=True)
    for written in folder.iterdir():
        written.unlink()
    return right


if __name__ == "__main__":
    folder = pathlib.Path("zoo").absolute()
    folder.mkdir()
    names = sys.argv[2:] or sorted(file.stem for file in (REPO / "configs/models").glob("*.yaml"))
    print("| model | nodes | file over weights | ONNX Runtime: scores | boxes | other tokens | OpenVINO: scores | boxes | other tokens |")
    print("|---|---|---|---|---|---|---|---|---|")
    wrong = [name for name in names if not compare(name, folder)]
    if wrong:
        sys.exit(f"differ by more than {LIMIT}, select other tokens or have a file above {ROOM} of the weights: {', '.join(wrong)}")
