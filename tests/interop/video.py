"""Videos through predict, with the ffmpeg that is here: what ffprobe says of the drawn ones. Makes its clips itself, of the
bundled pictures and a tone. Needs ffmpeg and ffprobe and nothing of requirements.txt; exits 77 without them.

  tests/interop/video.py build/release/rtdetr
"""

import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from small_model import MODEL

ROOT = pathlib.Path(__file__).resolve().parents[2]
PICTURES = ROOT / "data/samples/bccd/images/BloodImage_0000%d.jpg"
RATE = "30000/1001"
FRAMES = 30


def ffmpeg(*words):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, words)], check=True)


def facts(file):
    """Of the video stream, its frames counted by decoding them, and of the sound, None without."""
    line = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(file)]
    streams = json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)["streams"]
    kinds = {stream["codec_type"]: stream for stream in streams}
    return kinds["video"], kinds.get("audio")


class Program:
    def __init__(self, rtdetr, folder):
        self.rtdetr, self.folder = rtdetr, folder
        (folder / "tiny.yaml").write_text(MODEL)
        self.model = folder / "tiny.safetensors"
        self.run("export", f"model={folder}/tiny.yaml", "format=safetensors", "imgsz=64", f"output={self.model}")

    def line(self, *words):
        return [self.rtdetr, *map(str, words), "threads=1"]

    def run(self, *words, code=0, **more):
        result = subprocess.run(self.line(*words), capture_output=True, text=True, timeout=300, **more)
        assert result.returncode == code, (words, result.returncode, result.stdout, result.stderr)
        return result

    def predict(self, source, *words, code=0, conf=0, **more):
        """The document, and what went to stderr."""
        result = self.run("predict", f"model={self.model}", f"source={source}", f"conf={conf}", "max_det=3",
                          "json=true", f"project={self.folder}/runs", *words, code=code, **more)
        return json.loads(result.stdout), result.stderr


def make_clip(folder):
    silent, clip = folder / "silent.mp4", folder / "-i clip.mp4"  # a name that looks like ffmpeg's own words
    ffmpeg("-loop", "1", "-framerate", "10", "-i", PICTURES, "-vf", "scale=320:240", "-r", RATE, "-frames:v", FRAMES, "-pix_fmt",
           "yuv420p", silent)
    ffmpeg("-i", silent, "-f", "lavfi", "-i", "sine=duration=1.001", "-c:v", "copy", "-c:a", "aac", f"file:{clip}")
    video, sound = facts(clip)
    assert video["nb_read_frames"] == str(FRAMES) and sound
    return clip


def check_whole(program, clip):
    document, _ = program.predict(clip, "save_txt=true", "save_json=true", "save_crop=true", "batch=4")
    seen, folder = document["videos"][0], pathlib.Path(document["folder"])
    assert seen["file"] == str(clip) and (seen["width"], seen["height"]) == (320, 240), seen
    assert seen["frames"] == FRAMES and seen["detections"] == 3 * FRAMES == document["detections"], seen
    assert document["pictures"] == [] and document["unreadable"] == []
    video, sound = facts(seen["output"])
    assert (video["width"], video["height"], video["avg_frame_rate"]) == (320, 240, RATE), video
    assert video["nb_read_frames"] == str(FRAMES)
    assert sound["codec_name"] == "aac" and abs(float(sound["duration"]) - 1) < 0.05, sound
    labels = sorted(file.name for file in (folder / "labels").iterdir())
    assert labels == sorted(f"{clip.stem}_{i}.txt" for i in range(1, FRAMES + 1)), labels
    lines = [json.loads(line) for line in (folder / f"{clip.stem}.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(1, FRAMES + 1))
    assert all(len(line["detections"]) == 3 for line in lines)
    assert len(list((folder / "crops").rglob("*.jpg"))) == 3 * FRAMES
    assert not list(folder.glob("*.part.mp4"))
    return lines


def check_frames_are_pictures(program, clip, lines):
    """What is found in a frame is what is found in it as a picture: sizes, colours and order of frames are right."""
    frame = program.folder / "frame.png"
    ffmpeg("-i", f"file:{clip}", "-vf", "select=eq(n\\,20)", "-frames:v", "1", frame)
    document, _ = program.predict(frame, "save=false")
    alone, within = document["pictures"][0]["detections"], lines[20]["detections"]
    for a, b in zip(alone, within, strict=True):
        assert a["class"] == b["class"] and abs(a["score"] - b["score"]) < 1e-4, (a, b)
        assert all(abs(x - y) < 0.1 for x, y in zip(a["box"], b["box"])), (a, b)


def check_colours(program):
    """Colours stay, also those of a large video that does not say how they are stored."""
    for size, words in (("320x240", ["-colorspace", "bt709"]), ("1280x720", [])):
        clip = program.folder / f"red{size}.mp4"
        ffmpeg("-f", "lavfi", "-i", f"color=c=0xC03010:s={size}:d=0.2:r=10,format=gbrp,scale=out_color_matrix=bt709,format=yuv420p", *words,
               clip)
        assert facts(clip)[0].get("color_space") == ("bt709" if words else None)
        document, _ = program.predict(clip, conf=1)
        pixel = subprocess.run(["ffmpeg", "-v", "error", "-i", document["videos"][0]["output"], "-frames:v", "1", "-vf", "crop=16:16",
                                "-pix_fmt", "rgb24", "-f", "rawvideo", "-"], check=True, capture_output=True).stdout[:3]
        assert all(abs(a - b) <= 4 for a, b in zip(pixel, (0xC0, 0x30, 0x10), strict=True)), (size, list(pixel))


def check_stride_and_order(program, clip):
    picture = str(PICTURES) % 0
    document, _ = program.predict(f"{clip},{picture}", "vid_stride=4", "save_txt=true")
    video, sound = facts(document["videos"][0]["output"])
    assert video["avg_frame_rate"] == "7500/1001" and video["nb_read_frames"] == "8", video
    assert sound and len(document["pictures"]) == 1
    labels = {file.name for file in (pathlib.Path(document["folder"]) / "labels").iterdir()}
    assert labels == {f"{clip.stem}_{i}.txt" for i in range(1, 31, 4)} | {"BloodImage_00000.txt"}, labels


def check_turned(program, clip):
    turned, quiet = program.folder / "turned.mp4", program.folder / "odd.avi"
    ffmpeg("-i", f"file:{clip}", "-c", "copy", "-metadata:s:v", "rotate=90", turned)
    video, _ = facts(turned)
    assert any("rotation" in side for side in video.get("side_data_list", [])), "this ffmpeg marks a video as turned"
    video, sound = facts(program.predict(turned)[0]["videos"][0]["output"])
    assert (video["width"], video["height"]) == (240, 320) and sound, video
    # Sides that are no even numbers, pixels that are no squares, and no sound.
    ffmpeg("-i", f"file:{clip}", "-an", "-vf", "scale=161:121,setsar=4/3", "-c:v", "mjpeg", "-pix_fmt", "yuvj444p", quiet)
    video, sound = facts(program.predict(quiet)[0]["videos"][0]["output"])
    assert (video["width"], video["height"], video["sample_aspect_ratio"]) == (161, 121, "4:3") and not sound, video


def check_varying_rate(program, clip):
    """A rate that varies, and sound that MP4 does not take: both last as long as before."""
    varying = program.folder / "varying.mkv"
    ffmpeg("-i", f"file:{clip}", "-vf", "select=not(between(n\\,5\\,14))", "-vsync", "vfr", "-c:a", "pcm_s16le", varying)
    document, _ = program.predict(varying)
    video, sound = facts(document["videos"][0]["output"])
    assert video["nb_read_frames"] == str(FRAMES - 10) and sound["codec_name"] == "aac", (video, sound)
    assert abs(float(video["duration"]) - 1.0) < 0.05 and abs(float(sound["duration"]) - 1.0) < 0.06, (video, sound)


def check_broken(program, clip):
    broken = program.folder / "broken.avi"
    ffmpeg("-i", f"file:{clip}", "-an", "-c:v", "mjpeg", broken)
    whole = broken.read_bytes()
    at = 0
    for _ in range(6):
        at = whole.index(b"00dc", at + 1)
    length = int.from_bytes(whole[at + 4 : at + 8], "little")
    broken.write_bytes(whole[: at + 8] + bytes(length) + whole[at + 8 + length :])
    document, err = program.predict(broken, code=3)
    frames = document["videos"][0]["frames"]
    assert FRAMES - 2 <= frames < FRAMES and f"of {FRAMES} could be decoded" in err, (frames, err)
    assert facts(document["videos"][0]["output"])[0]["nb_read_frames"] == str(frames)
    broken.write_bytes(whole[: len(whole) // 2])
    document, err = program.predict(broken, code=3)  # an AVI without its index, and half a frame
    assert 5 < document["videos"][0]["frames"] < FRAMES
    broken.write_bytes(b"no video")
    document, err = program.predict(broken, code=3)
    assert document["videos"] == [] and "no video that ffprobe can read" in document["unreadable"][0]["message"]
    playlist = program.folder / "list.mp4"  # a list that would fetch what its author likes
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    document, err = program.predict(playlist, code=3)
    assert document["videos"] == [] and document["unreadable"], document


class Camera(http.server.BaseHTTPRequestHandler):
    """/clip.mp4 is the server's file, /live.ts the same pictures at their own pace, whose length nobody says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/clip.mp4":
            content = self.server.clip.read_bytes()
            self.begin("video/mp4", len(content))
            self.wfile.write(content)
        elif self.path == "/live.ts":
            self.begin("video/mp2t")
            words = ["ffmpeg", "-v", "error", "-nostdin", "-re", "-i", self.server.clip, "-c", "copy", "-f", "mpegts", "-"]
            with subprocess.Popen(words, stdout=subprocess.PIPE) as stream:
                try:
                    while part := stream.stdout.read1(65536):
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.write(b"0\r\n\r\n")
                except (BrokenPipeError, ConnectionResetError):  # who only looks what it is leaves early
                    stream.kill()
        else:
            self.send_error(404)

    def begin(self, kind, length=None):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header(*(("Content-Length", str(length)) if length else ("Transfer-Encoding", "chunked")))
        self.end_headers()

    def log_message(self, *words):
        pass


def labels(document):
    """What save_txt wrote of each frame, in the frames' order."""
    files = pathlib.Path(document["folder"], "labels").glob("*.txt")
    return [file.read_text() for file in sorted(files, key=lambda file: int(file.stem.rpartition("_")[2]))]


def check_address(program, clip):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
        server.clip = program.folder / "web.mp4"
        ffmpeg("-i", f"file:{clip}", "-c", "copy", "-movflags", "+faststart", server.clip)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        expected, _ = program.predict(clip, "save_txt=true")
        document, _ = program.predict(f"{address}/clip.mp4", "save_txt=true")
        assert len(labels(document)) == FRAMES and labels(document) == labels(expected), document["videos"]
        document, _ = program.predict(f"{address}/live.ts")  # frames that come while others are worked on are passed over
        live = document["videos"][0]
        assert live["frames"] + live["passed_over"] == FRAMES and document["unreadable"] == [], document
        assert 0 < int(facts(live["output"])[0]["nb_read_frames"]) <= live["frames"], live  # shown when they were seen
        document, _ = program.predict(f"{address}/none.mp4", code=3)
        assert document["videos"] == [] and "404" in document["unreadable"][0]["message"], document
        server.shutdown()


def check_interrupted(program, clip):
    """Ctrl-C in the middle of a long video: what is done can be played, and its sound ends with it."""
    long = program.folder / "long.mp4"
    ffmpeg("-stream_loop", "60", "-i", f"file:{clip}", "-c", "copy", long)
    line = program.line("predict", f"model={program.model}", f"source={long}", f"project={program.folder}/stopped",
                        "save_txt=true", "batch=2", "progress=json")
    child = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    labels = program.folder / "stopped/exp/labels"
    end = time.time() + 120
    while len(list(labels.glob("*.txt")) if labels.exists() else []) < 20:
        assert child.poll() is None and time.time() < end, child.communicate()
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 130 and "stopped by SIGINT; what is done is in" in err, (child.returncode, err)
    frames = len(list(labels.glob("*.txt")))
    video, sound = facts(program.folder / "stopped/exp/long.mp4")
    assert int(video["nb_read_frames"]) == frames < 61 * FRAMES, (video, frames)
    assert abs(float(video["duration"]) - float(sound["duration"])) < 0.1, (video, sound)


def check_missing(program, clip):
    """Without ffmpeg a video says what to install; a folder's pictures are read, and its videos counted."""
    bare = os.environ | {"RTDETR_FFMPEG": str(program.folder / "nowhere/ffmpeg")}
    result = subprocess.run(program.line("predict", f"model={program.model}", f"source={clip}"), capture_output=True, text=True, env=bare)
    assert result.returncode == 2 and "apt-get install ffmpeg" in result.stderr, result.stderr
    mixed = program.folder / "mixed"
    mixed.mkdir()
    shutil.copy(str(PICTURES) % 1, mixed / "a.jpg")
    shutil.copy(clip, mixed / "b.mp4")
    document, err = program.predict(mixed, "save=false", env=bare)
    assert len(document["pictures"]) == 1 and document["videos"] == [] and "apt-get install ffmpeg" in err, err
    document, err = program.predict(mixed)
    assert len(document["pictures"]) == 1 and document["videos"][0]["frames"] == FRAMES


def main():
    for name in ("ffmpeg", "ffprobe"):
        if not shutil.which(name):
            print(f"no {name} here")
            sys.exit(77)
    with tempfile.TemporaryDirectory() as name:
        program = Program(str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(name))
        clip = make_clip(program.folder)
        check_frames_are_pictures(program, clip, check_whole(program, clip))
        for check in (check_stride_and_order, check_turned, check_varying_rate, check_broken, check_address, check_interrupted, check_missing):
            check(program, clip)
        check_colours(program)
    print("videos are read and drawn: size, rate, rotation, sound, colours, broken frames, addresses, Ctrl-C")


if __name__ == "__main__":
    main()
