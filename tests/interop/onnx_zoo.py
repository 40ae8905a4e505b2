"""Every model file as ONNX: onnx.checker, and two pictures through ONNX Runtime and OpenVINO against our own program; then
some with free height and width, at three sizes.

Rows of a prediction are compared by the token that they come from, those of a model without selection in their order. A model
that samples single cells jumps where a location crosses a cell's edge, so its rows may be those that our own program has for the
picture moved by a millionth. Prints tables in Markdown.
"""

import json
import math
import pathlib
import subprocess
import sys

import numpy
import onnx
import onnxruntime
import openvino
from scipy.optimize import linear_sum_assignment

REPO = pathlib.Path(__file__).resolve().parents[2]
WRITER = pathlib.Path(sys.argv[1]).parent / "tests/parity/rtdetr_write_onnx"
SIZE, FREE_SIZES = "320x320", "320x320,256x384,640x640"
FREE = ("dfine-n", "rtdetr-l", "rtdetr-n", "rtdetr_r18vd", "rtdetr_r50vd", "rtdetrv2_r18vd", "rtdetrv2_r18vd_dsp", "yolov8")
LIMIT = 1e-4  # of a score, and of a side of the picture
NUDGES = 31  # pictures moved by a millionth that a model that samples single cells is compared with, too
MOVED = 0.5  # of the tokens of a model whose queries are learnt: equal scores have any order, but they are few
ROOM = 0.02  # a file beyond its weights, as a share of them


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
    """The model with its selected tokens, if it selects any, as one more output; and its number of nodes."""
    model = onnx.load(file)
    if not name:
        return model.SerializeToString(), len(model.graph.node)
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None))
    return model.SerializeToString(), len(model.graph.node)


def is_ranked(model):
    """Whether each query has a part that goes with its rank: two tokens of nearly equal score that change places change both."""
    return any(constant.name.endswith("tgt_embed") for constant in onnx.load_from_string(model).graph.initializer)


def following(model, name, queries):
    """The model with its selected tokens as an input."""
    model = onnx.load_from_string(model)
    node = next(node for node in model.graph.node if name in node.output)
    model.graph.node.remove(node)
    model.graph.output.remove(next(output for output in model.graph.output if output.name == name))
    model.graph.input.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, ["N", queries]))
    return model.SerializeToString()


def scores(logits):
    return 1 / (1 + numpy.exp(-logits.astype(numpy.float64)))


def apart(expected, found, picture, ours, theirs):
    """(largest difference of scores, of boxes) of each pair of rows, arrays of row numbers that broadcast."""
    score = numpy.abs(scores(expected["logits"][picture][ours]) - scores(found["logits"][picture][theirs])).max(-1)
    return score, numpy.abs(expected["boxes"][picture][ours] - found["boxes"][picture][theirs]).max(-1)


def paired_rows(expected, found, picture):
    """Row numbers of both sides: of the same token; then those of tokens that only one side selects, each with its nearest.

    Tokens near the border are blank and score alike, so which of them are taken is up to who sorts: their rows are equal.
    """
    places = {token: row for row, token in enumerate(found["tokens"][picture])}
    same = [(row, places.pop(token)) for row, token in enumerate(expected["tokens"][picture]) if token in places]
    others = numpy.array(sorted(set(range(len(expected["tokens"][picture]))) - {row for row, _ in same}), int)
    left = numpy.array(sorted(places.values()), int)
    distance = numpy.maximum(*apart(expected, found, picture, others[:, None], left[None]))
    nearest = [(others[a], left[b]) for a, b in zip(*linear_sum_assignment(distance))]
    return same, nearest


def difference(expected, nudged, found):
    """(largest of scores, of boxes, rows of tokens that only one of the two selects and that are not equal, rows for which a
    nudged picture had to stand in)"""
    worst_score, worst_box, others, jumped = 0.0, 0.0, 0, 0
    for picture in range(len(expected["tokens"])):
        same, nearest = paired_rows(expected, found, picture)
        ours, theirs = (numpy.array(side, int) for side in zip(*same, *nearest))
        score, box = apart(expected, found, picture, ours, theirs)
        far = numpy.maximum(score, box) > LIMIT
        jumped += int(far.sum())
        for other in nudged:
            places = {token: row for row, token in enumerate(other["tokens"][picture])}
            for k in numpy.flatnonzero(far):
                row = places.get(expected["tokens"][picture][ours[k]])
                if row is None:
                    continue
                new_score, new_box = apart(other, found, picture, row, theirs[k])
                if max(new_score, new_box) < max(score[k], box[k]):
                    score[k], box[k] = new_score, new_box
        far = numpy.maximum(score, box) > LIMIT
        worst_score, worst_box = max(worst_score, score.max()), max(worst_box, box.max())
        others += int(far[len(same):].sum())
    return worst_score, worst_box, others, jumped


def through_onnxruntime(model):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return lambda inputs, names: session.run(names, inputs)


def through_openvino(model):
    core = openvino.Core()
    engine = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs, names):
        found = engine(inputs)
        return [found[name] for name in names]

    return run


def compare(name, folder, sizes):
    """Prints a row for each size; whether all is right."""
    nudges = NUDGES if name.endswith("_dsp") else 0
    subprocess.run([WRITER, folder, sizes, str(nudges), name], check=True, cwd=REPO)
    file = folder / f"{name}.onnx"
    expected, metadata = tensors(folder / f"{name}.safetensors")
    onnx.checker.check_model(file, full_check=True)
    tokens = metadata["tokens"]
    model, nodes = with_tokens(file, tokens)
    weights = int(metadata["weights"])
    more = file.stat().st_size - weights
    followers = [following(model, tokens, expected[f"tokens/{SIZE}"].shape[1])] if tokens and is_ranked(model) else []
    engines = [[through(file) for file in (model, *followers)] for through in (through_onnxruntime, through_openvino)]
    right = more <= ROOM * weights
    for size in sizes.split(","):
        parts = ("logits", "boxes", *["tokens"] * bool(tokens))
        ours = {part: expected[f"{part}/{size}"] for part in ("images", *parts)}
        nudged = [{part: expected[f"{part}/{size}/{k + 1}"] for part in parts} for k in range(nudges)]
        cells = []
        for engine, *follower in engines:
            outputs = engine({"images": ours["images"]}, ["logits", "pred_boxes", *[tokens] * bool(tokens)])
            found = dict(zip(("logits", "boxes", "tokens"), outputs))
            if follower and (numpy.sort(found["tokens"]) == numpy.sort(ours["tokens"])).all():
                right = right and (found["tokens"] != ours["tokens"]).mean() < MOVED
                outputs = follower[0]({"images": ours["images"], tokens: ours["tokens"]}, ["logits", "pred_boxes"])
                found = dict(zip(("logits", "boxes", "tokens"), (*outputs, ours["tokens"])))
            for side in (ours, found, *nudged):
                side.setdefault("tokens", numpy.tile(numpy.arange(side["logits"].shape[1]), (len(side["logits"]), 1)))
            finite = all(numpy.isfinite(found[part]).all() for part in ("logits", "boxes"))
            score, box, others, jumped = difference(ours, nudged, found) if finite else (math.inf, math.inf, 0, 0)
            right = right and max(score, box) <= LIMIT and others == 0
            cells.append(f"{score:.1e} | {box:.1e} | {others}" + f" ({jumped} nudged)" * bool(jumped))
        print(f"| {name} | {size} | {nodes} | {more / weights:.1%} | {' | '.join(cells)} |", flush=True)
    for written in folder.iterdir():
        written.unlink()
    return right


def compare_all(names, folder, sizes):
    """The names of those that are not right."""
    print("| model | size | nodes | file over weights | ONNX Runtime: scores | boxes | other tokens | OpenVINO: scores | boxes | other tokens |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    return [name for name in names if not compare(name, folder, sizes)]


if __name__ == "__main__":
    folder = pathlib.Path("zoo").absolute()
    folder.mkdir()
    names = sys.argv[2:] or sorted(file.stem for file in (REPO / "configs/models").glob("*.yaml"))
    wrong = compare_all(names, folder, SIZE) + compare_all([name for name in names if name in FREE], folder, FREE_SIZES)
    if wrong:
        sys.exit(f"differ by more than {LIMIT}, select other tokens or have a file too large for their weights: {', '.join(wrong)}")
