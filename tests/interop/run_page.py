"""The pages of a run, of val and of several runs in a browser: a headless Chromium draws them, and what it made of them is
read back. Needs chromium and nothing of requirements.txt; exits 77 without it.

  tests/interop/run_page.py build/release/rtdetr
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from small_model import MODEL

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOSTILE = "<img src=x onerror=\"document.title='taken'\"></script><script>document.title='taken'</script>"
# What a hand would do to the first chart: drag over its middle, then stay above it. Then the page is as narrow as a telephone.
HAND = """<script>
SVGElement.prototype.setPointerCapture = () => {};
const svg = document.querySelector('.chart svg'), box = svg.getBoundingClientRect();
const point = (type, share) => svg.dispatchEvent(new PointerEvent(
  type, {clientX: box.left + box.width * share, clientY: box.top + box.height / 2, button: 0, bubbles: true}));
const path = () => svg.querySelector('.curve').getAttribute('d');
const before = path();
point('pointerdown', 0.3); point('pointermove', 0.7); point('pointerup', 0.7);
document.body.dataset.zoomed = String(path() !== before);
point('pointermove', 0.5);
document.body.dataset.read = document.querySelector('.legend b').textContent;
svg.dispatchEvent(new MouseEvent('dblclick', {bubbles: true}));
document.body.dataset.whole = String(path() === before);
document.querySelector('.legend button').click();
document.body.dataset.hidden = String(svg.querySelectorAll('.curve').length);
document.body.style.width = '420px';
const lines = cell => { const all = document.createRange(); all.selectNodeContents(cell); return all.getClientRects().length; };
document.body.dataset.cut = [...document.querySelectorAll('#changed-settings td, #changed-settings th')]
  .filter(cell => cell.textContent.length < 20 && lines(cell) > 1).map(cell => cell.textContent);
</script></body>"""


def browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return name
    print("no chromium here")
    sys.exit(77)


def dom(page):
    """The page's document after its script ran."""
    with tempfile.TemporaryDirectory() as profile:
        line = [browser(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
        return subprocess.run(line, check=True, capture_output=True, text=True, timeout=120).stdout


def program(rtdetr, *words):
    done = subprocess.run([rtdetr, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def attribute(text, name):
    return re.search(f'data-{name}="([^"]*)"', text).group(1)


def data_set(folder):
    """The eight pictures that come along, under names that somebody must not use."""
    samples = ROOT / "data/samples/bccd"
    truth = json.loads((samples / "annotations/instances_overfit8.json").read_text())
    for category in truth["categories"]:
        category["name"] += HOSTILE
    (folder / "truth.json").write_text(json.dumps(truth))
    split = f"{{images: {samples}/images, annotations: {folder}/truth.json}}"
    (folder / "data.yaml").write_text(f"train: {split}\nval: {split}\n")
    return str(folder / "data.yaml")


def check_run(page, title="page"):
    text = dom(page)
    columns = (page.parent / "results.csv").read_text().split("\n")[0].split(",")
    curves = re.findall(r'<path class="curve" d="(M[^"]+)"', text)
    # every column but epoch and time, and on the folded charts more
    assert len(curves) >= len(columns) - 2, (len(curves), columns)
    assert all(curve.count("L") == 2 for curve in curves[: len(columns) - 2]), "three epochs are three points"
    for part in ("layers", "confusion", "worst", "changed-settings", "events", "files"):
        assert f'id="{part}"' in text, part
    assert f"<title>{title}</title>" in text, "the title is the run's"
    assert text.count("&lt;img src=x onerror") > 3 and "<img src=x" not in text
    assert re.search(r'<img [^>]*src="data:image/jpeg;base64,', text), "worst pictures are in the page"
    return text


def check_hand(page, folder):
    copy = folder / "hand.html"
    copy.write_text(page.read_text().replace("</body>", HAND))
    text = dom(copy)
    assert attribute(text, "zoomed") == "true", "a drag zooms in"
    assert re.fullmatch(r"\d+(\.\d+)?(e[-+]\d+)?", attribute(text, "read")), "the value under the hand is read"
    assert attribute(text, "whole") == "true", "a double click shows all"
    assert attribute(text, "hidden") == "2", "a click on a name hides its curve"
    assert attribute(text, "cut") == "", "short settings stay whole on a narrow page"


def main():
    browser()
    rtdetr = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "tiny.yaml").write_text(MODEL)
        data = data_set(folder)
        common = ["train", f"model={folder}/tiny.yaml", f"data={data}", "imgsz=64", "batch=4", "epochs=3", "threads=1",
                  "workers=0", "warmup_steps=2", f"project={folder}/runs"]
        program(rtdetr, *common, "name=page", "lr0=0.002")
        program(rtdetr, *common, "name=other", "lr0=0.001")
        check_run(folder / "runs/page/index.html")
        check_hand(folder / "runs/page/index.html", folder)
        program(rtdetr, "val", f"model={folder}/runs/page/best.safetensors", f"data={data}", "threads=1", f"project={folder}/val")
        text = dom(folder / "val/exp/index.html")
        assert 'id="confusion"' in text and "<img src=x" not in text
        compared = folder / "compare.html"
        program(rtdetr, "compare", f"{folder}/runs/page", f"{folder}/runs/other", f"output={compared}")
        text = dom(compared)
        assert len(re.findall(r'<path class="curve" d="M[^"]+" data-name="other"', text)) > 10
        assert "<td>lr0</td><td>0.002</td><td>0.001</td>" in text
        for part in ("layers", "classes", "confusion-1", "confusion-2", "worst-1", "worst-2"):
            assert f'id="{part}"' in text, part
        assert "<img src=x" not in text
        assert "<td>lr0</td><td>0.002</td><td>0.001</td>" in check_run(folder / "runs/other/index.html", title="other")
    print("the pages of a run, of val and of two runs are drawn, zoomed, read and safe")


if __name__ == "__main__":
    main()
