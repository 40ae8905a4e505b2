"""What `rtdetr export` writes for Python, read by Python: torch.load with weights_only=True, and Hugging Face's transformers,
whose detections of a real picture are compared with our own program's; and Hugging Face's folder, read back by us.
"""

import json
import pathlib
import subprocess
import sys

import numpy
import torch
import transformers
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.optimize import linear_sum_assignment

REPO = pathlib.Path(__file__).resolve().parents[2]
PROGRAM, FOLDER = sys.argv[1], pathlib.Path.cwd()
PICTURE = REPO / "data/samples/bccd/images/BloodImage_00007.jpg"
LIMIT = 1e-4  # of a score, and of the picture's longer side
MODELS = sys.argv[2:] or ("rtdetr_r18vd", "rtdetrv2_r18vd", "rtdetrv2_r18vd_dsp", "rtdetr_r50vd", "rtdetrv2_r50vd")
# R50's norms are frozen: nothing brings back a picture that fifty layers have made fainter and fainter, or what they have
# blown up. He's gain passes it on; the last layer of each block adds a part to what went around the block.
DEEP_GAIN, LAST_OF_BLOCK = 2**0.5, 0.4


def rtdetr(*words):
    return json.loads(subprocess.run([PROGRAM, *words, "json=true"], check=True, capture_output=True).stdout)


def gain(name, key):
    """Of a kernel."""
    if "r50vd" not in name or not key.startswith("backbone."):
        return 1
    return DEEP_GAIN * (LAST_OF_BLOCK if "branch2c" in key else 1)


def spread_out(name, key, tensor, generator):
    """Weights with which scores and boxes differ from token to token; initial ones give them all nearly alike."""
    if not tensor.is_floating_point() or key.endswith("num_points_scale"):
        return tensor
    u = torch.rand(tensor.shape, generator=generator)
    last = key.rsplit(".", 1)[-1]
    if last == "running_var":
        return 0.5 + u
    if last == "running_mean":
        return 0.2 * (u - 0.5)
    if "score_head" in key and last == "bias":
        return 0.5 * (u - 0.5) - 3
    if tensor.dim() == 1:
        return 0.75 + 0.5 * u if last.endswith("weight") else 0.1 * (u - 0.5)
    bound = gain(name, key) * (3 / tensor[0].numel()) ** 0.5
    return (2 * u - 1) * (0.1 * bound if "bbox_head" in key and key.endswith("layers.2.weight") else bound)


def trained_file(name, seed):
    """A model file as training leaves it, not fused."""
    pth, fused, file = (FOLDER / f"{name}.{end}" for end in ("pth", "fused.safetensors", "safetensors"))
    rtdetr("export", f"model={name}", "format=official-pth", f"output={pth}")
    rtdetr("export", f"model={name}", "format=safetensors", f"output={fused}")
    with safe_open(fused, "pt") as content:
        metadata = {key: value for key, value in content.metadata().items() if not key.startswith("rtdetr.")}
    metadata["fused"] = "false"
    state = torch.load(pth, weights_only=True)["ema"]["module"]
    generator = torch.Generator().manual_seed(seed)
    kept = {key: value for key, value in state.items() if key not in ("decoder.anchors", "decoder.valid_mask")}
    save_file({key: spread_out(name, key, value, generator).contiguous() for key, value in kept.items()}, file, metadata)
    return file


def ours(file):
    found = rtdetr("predict", f"model={file}", f"source={PICTURE}", "save=false", "conf=0.0001")["pictures"][0]
    rows = found["detections"]
    return [numpy.array([row[field] for row in rows]) for field in ("class", "score", "box")], found


def theirs(folder, size):
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    model, report = transformers.AutoModelForObjectDetection.from_pretrained(folder, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    with torch.no_grad():
        output = model.eval()(**processor(Image.open(PICTURE).convert("RGB"), return_tensors="pt"))
    found = processor.post_process_object_detection(output, threshold=0, target_sizes=[(size["height"], size["width"])])[0]
    return [found[field].numpy() for field in ("labels", "scores", "boxes")]


def difference(a, b, size):
    """Of the best pairs of one class; ours are clipped to the picture."""
    bounds = [size["width"], size["height"]] * 2
    b[2] = numpy.clip(b[2], 0, bounds)
    scores = numpy.abs(a[1][:, None] - b[1][None])
    boxes = numpy.abs(a[2][:, None] - b[2][None]).max(2) / max(bounds)
    pairs = linear_sum_assignment(boxes + scores + 10 * (a[0][:, None] != b[0][None]))
    return scores[pairs].max(), boxes[pairs].max(), int((a[0][pairs[0]] != b[0][pairs[1]]).sum())


def check_official(name, file):
    pth = FOLDER / f"{name}.out.pth"
    rtdetr("export", f"model={file}", "format=official-pth", f"output={pth}")
    state, expected = torch.load(pth, weights_only=True)["ema"]["module"], load_file(file)
    extra = set(state) - set(expected)
    assert extra == ({"decoder.anchors", "decoder.valid_mask"} if "v2" in name else set()), extra
    assert all(torch.equal(state[key], value) and state[key].dtype == value.dtype for key, value in expected.items())


def check_way_back(name, file):
    back = FOLDER / f"{name}.back.safetensors"
    rtdetr("convert", f"weights={FOLDER / name}", f"output={back}")
    before, after = load_file(file), load_file(back)
    assert set(before) == set(after), set(before) ^ set(after)
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def main():
    print("| model | their scores | scores differ | boxes | other classes |\n|---|---|---|---|---|")
    worst = 0
    for seed, name in enumerate(MODELS):
        file = trained_file(name, seed)
        check_official(name, file)
        rtdetr("export", f"model={file}", "format=hf", f"output={FOLDER / name}")
        check_way_back(name, file)
        a, size = ours(file)
        score, box, others = difference(a, theirs(FOLDER / name, size), size)
        print(f"| {name} | {a[1].min():.4f} to {a[1].max():.4f} | {score:.1e} | {box:.1e} | {others} |", flush=True)
        worst = max(worst, score, box, others)
        if len(numpy.unique(a[1])) < len(a[1]) / 10:
            sys.exit(f"{name}: nearly all scores are equal, which they are whatever the model computes")
    sys.exit(int(worst > LIMIT))


main()
