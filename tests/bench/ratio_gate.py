#!/usr/bin/env python3
"""Whether a change made something slower: today's ratios to our peers beside those that were recorded.

usage: ratio_gate.py [--build build/release] [--rounds 5] [--threads 1] [--only conv,batch_norm] [--with-engines]
                     [--table docs/benchmarks/ratios.json] [--record]

Each benchmark times ours and a peer in turns inside one process and is run --rounds times, all of them in turns. A
case's ratio is the shortest time of ours divided by the peer's shortest; its noise is how far the rounds' own ratios
lie apart. It has become slower if its ratio exceeds the recorded one by more than both noises together, and by 15 % at
least: then it is named, and the exit status is 1; so is a recorded case that is not
measured any more. --record writes the table instead, and a line for each case says what
it was before. --with-engines adds ONNX Runtime and OpenVINO (infer_peers.py; pip install onnxruntime openvino).

A table is of one kind of processor; another kind is refused. Of a machine at work, trust --threads 1.
"""
import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile

LEAST_NOISE = 0.15


def processor():
    """What decides which kernels run, and how fast."""
    with open("/proc/cpuinfo", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    field = {key.strip(): value.strip() for key, value in lines.items()}
    wanted = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile"]
    flags = [flag for flag in wanted if flag in field.get("flags", "").split()]
    return f"{field.get('vendor_id', '?')} family {field.get('cpu family', '?')}: {' '.join(flags)}"


def programs(build, threads):
    folder = os.path.join(build, "tests/bench")
    yield "batch_norm", [os.path.join(folder, "rtdetr_bench_batch_norm"), str(threads)]
    yield "ms_deform_attn", [os.path.join(folder, "rtdetr_bench_ms_deform_attn"), str(threads)]
    for model in ["r18vd", "rtdetr-n"]:
        yield "conv " + model, [os.path.join(folder, "rtdetr_bench_conv"), model, f"threads={threads}", "rounds=5"]


def run_program(name, command, samples):
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "ratios")
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "RTDETR_RATIOS": file, "RTDETR_BENCH_NO_ERROR": "1"})
        with open(file, encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                samples[f"{name}: {line['case']}"].append((line["ours"], line["peer"]))


def run_engines(build, threads, samples):
    script = os.path.join(os.path.dirname(__file__), "infer_peers.py")
    for model, size in [("rtdetr_r18vd", 640), ("rtdetr-n", 320)]:
        printed = subprocess.run([sys.executable, script, "--build", build, "--models", model, "--size", str(size),
                                  "--threads", str(threads)], check=True, stdout=subprocess.PIPE, text=True).stdout
        engines = json.loads(printed.splitlines()[-1])["engines"]
        for figure in ["processor_ms", "peak_mib", "load_processor_s"]:
            peers = [engine[figure] for name, engine in engines.items() if name != "ours"]
            samples[f"infer {model}: {figure}"].append((engines["ours"][figure], min(peers)))


def summary(pairs):
    """Ratio of the shortest times, and how far the rounds' own ratios lie apart, as a part of it."""
    ratio = min(ours for ours, _ in pairs) / min(peer for _, peer in pairs)
    rounds = sorted(ours / peer for ours, peer in pairs)
    middle = rounds[len(rounds) // 4:len(rounds) - len(rounds) // 4]  # without the outer quarters
    return {"ratio": round(ratio, 4), "noise": round((middle[-1] - middle[0]) / 2 / ratio, 4)}


def chosen_programs(arguments):
    known = {name.split()[0] for name, _ in programs(arguments.build, arguments.threads)}
    chosen = arguments.only.split(",") if arguments.only else []
    if unknown := [name for name in chosen if name not in known]:
        sys.exit(f"ratio_gate: --only knows {', '.join(sorted(known))}, not {', '.join(unknown)}")
    return chosen


def no_longer_measured(arguments, recorded, cases):
    """Recorded cases of the programs that ran."""
    chosen = chosen_programs(arguments)
    ran = lambda case: (case.startswith("infer ") and arguments.with_engines) or (  # noqa: E731
        not case.startswith("infer ") and (not chosen or case.split(":")[0].split()[0] in chosen))
    return [case for case in recorded if case not in cases and ran(case)]


def measure(arguments):
    chosen = chosen_programs(arguments)
    samples = collections.defaultdict(list)
    for round_ in range(arguments.rounds):
        for name, command in programs(arguments.build, arguments.threads):
            if not chosen or name.split()[0] in chosen:
                run_program(name, command, samples)
        if arguments.with_engines:
            run_engines(arguments.build, arguments.threads, samples)
        print(f"round {round_ + 1} of {arguments.rounds}", file=sys.stderr)
    return {case: summary(pairs) for case, pairs in samples.items()}


def is_slower(before, now):
    return now["ratio"] > before["ratio"] * (1 + max(LEAST_NOISE, before["noise"] + now["noise"]))


def compare(recorded, cases):
    """Prints every case. @return those that became slower"""
    slower = []
    print(f"{'ratio to the peer':60} {'recorded':>9} {'now':>7} {'noise':>6}")
    for case, now in cases.items():
        before = recorded.get(case)
        if before and is_slower(before, now):
            slower.append(case)
        print(f"{case:60} {before['ratio'] if before else '-':>9} {now['ratio']:>7} {now['noise']:>6}"
              f"{'  slower' if case in slower else ''}")
    return slower


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", help="names before the colon of a case, without the model")
    parser.add_argument("--with-engines", action="store_true")
    parser.add_argument("--table", default="docs/benchmarks/ratios.json")
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    machine, table = processor() + f", {arguments.threads} thread(s)", {"processor": "", "cases": {}}
    if os.path.exists(arguments.table):
        with open(arguments.table, encoding="utf-8") as file:
            table = json.load(file)
    if not arguments.record and table["processor"] != machine:
        return f"{arguments.table} is of '{table['processor']}', this is '{machine}': --record makes one of this"
    cases = measure(arguments)
    slower = compare(table["cases"] if table["processor"] == machine else {}, cases)
    if arguments.record:
        kept = table["cases"] if table["processor"] == machine else {}
        for case in no_longer_measured(arguments, kept, cases):
            del kept[case]
        with open(arguments.table, "w", encoding="utf-8") as file:
            json.dump({"processor": machine, "cases": {**kept, **cases}}, file, indent=1)
            file.write("\n")
        return 0
    faults = ["slower than recorded: " + "; ".join(slower)] if slower else []
    if gone := no_longer_measured(arguments, table["cases"], cases):
        faults.append("recorded, and not measured any more: " + "; ".join(gone))
    return "\n".join(faults) if faults else 0


if __name__ == "__main__":
    sys.exit(main())
