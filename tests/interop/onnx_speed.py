"""Our ONNX files and those of the programs that published the models, with the same weights, timed in ONNX Runtime.

    python3 tests/interop/onnx_speed.py build/release/rtdetr OFFICIAL [MODEL…]

OFFICIAL: a checkout of github.com/lyuwenyu/RT-DETR, whose export_onnx.py is followed (torch.onnx's first exporter, opset
16). Both sessions of a pair run in turns. Prints a JSON object for each model and number of threads: a side's smallest
processor time in milliseconds, ours divided by theirs, and the median of that ratio over the rounds, which a busy machine
moves less. Ends with 1 where both say that ours takes longer. Needs what requirements.txt names, and half a gigabyte on the disk.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import onnxruntime

PROGRAM, OFFICIAL = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2]).resolve()
ROUNDS, SIDE = 20, 640
OFFICIAL_CONFIGS = {
    "rtdetr_r18vd": ("rtdetr_pytorch", "configs/rtdetr/rtdetr_r18vd_6x_coco.yml"),
    "rtdetrv2_r18vd": ("rtdetrv2_pytorch", "configs/rtdetrv2/rtdetrv2_r18vd_120e_coco.yml"),
    "rtdetr_r50vd": ("rtdetr_pytorch", "configs/rtdetr/rtdetr_r50vd_6x_coco.yml"),
}
# Runs in the checkout, which has names of its own for everything; what it imports for training alone is left out.
OFFICIAL_EXPORT = """
import sys, unittest.mock
sys.path.insert(0, ".")
for name in ("src.data", "torch.utils.tensorboard"):
    sys.modules[name] = unittest.mock.MagicMock()
import torch, src.nn, src.zoo
from src.core import YAMLConfig
config, weights, file, side = *sys.argv[1:4], int(sys.argv[4])
read = YAMLConfig(config)
read.yaml_cfg["PResNet"]["pretrained"] = False
read.model.load_state_dict(torch.load(weights, weights_only=True)["ema"]["module"])
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model, self.postprocessor = read.model.deploy(), read.postprocessor.deploy()
    def forward(self, images, orig_target_sizes):
        return self.postprocessor(self.model(images), orig_target_sizes)
inputs = torch.rand(1, 3, side, side), torch.tensor([[side, side]])
model = Model()
model(*inputs)
names = ["images", "orig_target_sizes"]
torch.onnx.export(model, inputs, file, input_names=names, output_names=["labels", "boxes", "scores"],
                  dynamic_axes={name: {0: "N"} for name in names}, opset_version=16, dynamo=False)
"""


def run(*words, **more):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, **more)


def official_pair(name):
    """(their file, our file) of weights that the official code loads."""
    weights, theirs, ours = (pathlib.Path(f"{name}.{end}").absolute() for end in ("pth", "theirs.onnx", "ours.onnx"))
    run(PROGRAM, "export", f"model={name}", "format=official-pth", f"output={weights}")
    folder, config = OFFICIAL_CONFIGS[name]
    run(sys.executable, "-W", "ignore", "-c", OFFICIAL_EXPORT, config, weights, theirs, str(SIDE), cwd=OFFICIAL / folder)
    run(PROGRAM, "export", f"model={weights}", "format=onnx", f"output={ours}")
    return theirs, ours


def ultralytics_pair(name):
    from ultralytics import RTDETR

    RTDETR(f"{name}.yaml").save(f"{name}.pt")
    theirs = RTDETR(f"{name}.pt").export(format="onnx", imgsz=SIDE, simplify=False, opset=16, device="cpu")
    run(PROGRAM, "export", f"model={name}.pt", "format=onnx", "outputs=ultralytics", f"output={name}.ours.onnx")
    return theirs, f"{name}.ours.onnx"


def opened(file, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting is no work
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    picture = numpy.random.default_rng(0).random((1, 3, SIDE, SIDE), dtype=numpy.float32)
    all_inputs = {"images": picture, "orig_target_sizes": numpy.array([[SIDE, SIDE]], numpy.int64)}
    return session, {entry.name: all_inputs[entry.name] for entry in session.get_inputs()}


def rounds_of(pair, threads):
    """Milliseconds of each round, (theirs, ours); the first one, which warms up, is left out."""
    sessions = [opened(str(file), threads) for file in pair]
    rounds = []
    for _ in range(ROUNDS + 1):
        times = []
        for session, inputs in sessions:
            begin = time.process_time()
            session.run(None, inputs)
            times.append(1e3 * (time.process_time() - begin))
        rounds.append(times)
    return rounds[1:]


def compare(name, pair, by, threads):
    rounds = rounds_of(pair, threads)
    theirs, ours = (min(side) for side in zip(*rounds))
    return {"model": name, "their_file_by": by, "threads": threads, "theirs_ms": round(theirs, 1), "ours_ms": round(ours, 1),
            "ratio": round(ours / theirs, 3),
            "median_ratio": round(statistics.median(ours / theirs for theirs, ours in rounds), 3)}


def main():
    slower = False
    for name in sys.argv[3:] or (*OFFICIAL_CONFIGS, "rtdetr-l"):
        official = name in OFFICIAL_CONFIGS
        pair = official_pair(name) if official else ultralytics_pair(name)
        for threads in (1, 2):
            row = compare(name, pair, "the official code" if official else "Ultralytics", threads)
            print(json.dumps(row), flush=True)
            slower = slower or min(row["ratio"], row["median_ratio"]) > 1
    return int(slower)


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    code = main()
sys.exit(code)
