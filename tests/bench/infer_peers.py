#!/usr/bin/env python3
"""Inference of a picture, or of --batch at once: our engine beside ONNX Runtime and OpenVINO on our own exported ONNX file.

usage: infer_peers.py [--build build/release] [--models rtdetr_r18vd,rtdetr-l] [--size 640] [--batch 1]
                      [--threads 2] [--rounds 7] [--avx2] [--precision f32|bf16]

Needs onnxruntime and openvino (pip install them by name). Every engine is a process of its own, and they take turns:
wall and processor time of each turn are kept. A peer's memory is without Python and numpy, its loading without the
import; ours is the whole process. On a shared machine trust the ratios of processor time with one thread,
then of the smallest walls. Prints a JSON object a model: times of a call in milliseconds, peak memory in MiB, seconds to load, and
ours divided by the fastest peer's. --avx2 holds ours and OpenVINO to AVX2; ONNX Runtime has no such switch and is left
out. --precision bf16: ours and OpenVINO's; ONNX Runtime computes none on a CPU.
"""
import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time


def memory_mib(key):
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(key))


def onnxruntime_call(file, images, threads, _precision):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return onnxruntime.__version__, lambda: session.run(None, {"images": images})


def openvino_call(file, images, threads, precision):
    import openvino
    core = openvino.Core()
    model = core.compile_model(core.read_model(file), "CPU", {
        "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1})
    request = model.create_infer_request()
    return openvino.__version__, lambda: request.infer({0: images}, share_inputs=True, share_outputs=True)


def serve(peer, file, size, batch, threads, precision):
    """The child of a peer: says what it has loaded, then runs once for each line it reads."""
    import numpy
    images = numpy.random.default_rng(0).random((batch, 3, size, size), dtype=numpy.float32)
    before = memory_mib("VmRSS")  # Python and numpy
    importlib.import_module(peer)
    start, processor = time.perf_counter(), time.process_time()
    version, call = {"onnxruntime": onnxruntime_call, "openvino": openvino_call}[peer](file, images, threads,
                                                                                                 precision)
    load_s, load_processor_s = time.perf_counter() - start, time.process_time() - processor
    call()
    call()
    print(json.dumps({"version": version, "load_s": load_s, "load_processor_s": load_processor_s,
                      "peak_mib": memory_mib("VmHWM") - before}), flush=True)
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        call()
        print(json.dumps([1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - processor)]), flush=True)


class Child:
    def __init__(self, name, command, environment):
        self.name, self.turns = name, []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **environment})
        self.info = json.loads(self.process.stdout.readline())

    def turn(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self.turns.append(json.loads(self.process.stdout.readline()))

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def report(self):
        wall, processor = zip(*self.turns)
        return {**self.info, "wall_ms": min(wall), "wall_median_ms": statistics.median(wall),
                "processor_ms": min(processor)}


def export(arguments, model, kind, folder):
    file = os.path.join(folder, model + "." + kind)
    subprocess.run([os.path.join(arguments.build, "rtdetr"), "export", f"model={model}.yaml", f"format={kind}",
                    f"output={file}", f"imgsz={arguments.size}", "quiet=true"] + (["outputs=raw"] if kind == "onnx" else []),
                   check=True, stdout=subprocess.DEVNULL)
    return file


def children_of(arguments, model, folder):
    threads, size, batch = str(arguments.threads), str(arguments.size), str(arguments.batch)
    yield Child("ours", [os.path.join(arguments.build, "tests/bench/rtdetr_bench_engine"), "--serve",
                         export(arguments, model, "safetensors", folder), size, threads,
                         "avx2" if arguments.avx2 else "best", "bf16" if arguments.precision == "bf16" else "fp32", batch], {})
    file = export(arguments, model, "onnx", folder)
    for peer in ["openvino"] if arguments.avx2 or arguments.precision == "bf16" else ["onnxruntime", "openvino"]:
        yield Child(peer, [sys.executable, __file__, "--serve", peer, file, size, batch, threads, arguments.precision],
                    {"ONEDNN_MAX_CPU_ISA": "AVX2"} if arguments.avx2 else {})


def compare(arguments, model):
    with tempfile.TemporaryDirectory() as folder:
        children = list(children_of(arguments, model, folder))
        for _ in range(arguments.rounds):
            for child in children:
                child.turn()
        for child in children:
            child.close()
    report = {child.name: child.report() for child in children}
    peers = [report[child.name] for child in children[1:]]
    ratio = {key: round(report["ours"][key] / min(peer[key] for peer in peers), 3)
             for key in ["wall_ms", "wall_median_ms", "processor_ms", "load_s", "load_processor_s", "peak_mib"]}
    return {"model": model, "size": arguments.size, "batch": arguments.batch, "threads": arguments.threads, "avx2": arguments.avx2,
            "precision": arguments.precision,
            "rounds": arguments.rounds, "ratio": ratio, "engines": report}


def main():
    if sys.argv[1:2] == ["--serve"]:
        return serve(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6]), sys.argv[7])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--models", default="rtdetr_r18vd,rtdetr_r50vd,rtdetr-l")
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    arguments = parser.parse_args()
    for model in arguments.models.split(","):
        print(json.dumps(compare(arguments, model)), flush=True)


if __name__ == "__main__":
    main()
