"""Hugging Face's RT-DETR and RT-DETRv2: a folder that we write, opened there, and read back here."""

import sys

import torch
import transformers
from safetensors.torch import load_file

from peers import MODELS, PICTURE, Image, compare, our_detections, picture_as_input, rtdetr, trained

CONF = 0.1
CLASSES = {"hf_v1_basic": transformers.RTDetrForObjectDetection, "hf_v2_bottleneck": transformers.RTDetrV2ForObjectDetection}

for name, peer in CLASSES.items():
    ours = trained(MODELS / f"{name}.yaml")
    rtdetr("export", f"model={ours}", "format=hf", f"output={name}")
    with torch.no_grad():
        output = peer.from_pretrained(name).eval()(picture_as_input())
    size = torch.tensor([Image.open(PICTURE).size[::-1]])
    processor = transformers.RTDetrImageProcessor.from_pretrained(name)
    found = processor.post_process_object_detection(output, threshold=CONF, target_sizes=size)[0]
    compare(f"ours -> {peer.__name__}", our_detections(ours, CONF / 2), (found["scores"], found["labels"], found["boxes"]))

    rtdetr("convert", f"weights={name}", f"output={name}.safetensors")
    before, after = load_file(ours), load_file(f"{name}.safetensors")
    differing = [key for key in before if key not in after or not torch.equal(before[key], after[key])]
    if differing or len(before) != len(after):
        sys.exit(f"{name}: not bit-equal after the way there and back: {differing[:5]}")
    print(f"{peer.__name__} -> ours: {len(after)} tensors bit-equal")
