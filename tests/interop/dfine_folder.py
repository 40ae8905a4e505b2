"""Hugging Face's D-FINE: the folders that their program wrote (tests/fixtures/interop), read there and here; detections on a picture."""

import numpy
import torch
import transformers
from PIL import Image

from peers import MODELS, PICTURE, compare, our_detections, rtdetr

for name in ("hf_dfine_projected", "hf_dfine_two_maps"):
    folder = MODELS / name
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    model, report = transformers.AutoModelForObjectDetection.from_pretrained(folder, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    picture = Image.open(PICTURE).convert("RGB")
    with torch.no_grad():
        output = model.eval()(**processor(picture, return_tensors="pt"))
    found = processor.post_process_object_detection(output, threshold=0, target_sizes=[picture.size[::-1]])[0]
    theirs = [found[part].numpy() for part in ("scores", "labels", "boxes")]
    assert len(numpy.unique(theirs[0][:20])) > 10, "nearly equal scores prove nothing"
    rtdetr("convert", f"weights={folder}", f"model={folder}.yaml", f"output={name}.safetensors")
    compare(f"{name} -> ours", our_detections(f"{name}.safetensors"), theirs)
