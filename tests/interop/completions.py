"""Completion as the shell itself does it: types lines into a bash, zsh or fish, presses Tab and reads what stands there
then, and what the shell offers. Exits 77 where that shell is not installed.

  tests/interop/completions.py build/release/rtdetr zsh
"""

import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

TAB, SHOW, NEXT = "\t", "\x07", "\x14"  # Ctrl-G shows the line and empties it, Ctrl-T inserts the next word offered

# A line, and what Tab makes of it.
TABS = [
    ("rtdetr tr", "rtdetr train "),
    ("rtdetr detect tr", "rtdetr detect train "),
    ("rtdetr task=de", "rtdetr task=detect "),
    ("rtdetr task=detect mode=tr", "rtdetr task=detect mode=train "),
    ("rtdetr train im", "rtdetr train imgsz="),
    ("rtdetr train model=x.yaml imgs", "rtdetr train model=x.yaml imgsz="),
    ("rtdetr data=bccd mode=train warmup_s", "rtdetr data=bccd mode=train warmup_steps="),
    ("rtdetr train amp=b", "rtdetr train amp=bf16 "),
    ("rtdetr train --amp=b", "rtdetr train --amp=bf16 "),
    ("rtdetr train --amp b", "rtdetr train --amp bf16 "),
    ("rtdetr train --epochs 3 schedule=m", "rtdetr train --epochs 3 schedule=multistep "),
    ("rtdetr train --deterministic warmup_s", "rtdetr train --deterministic warmup_steps="),
    ("rtdetr train --epochs sched", "rtdetr train --epochs sched"),
    ("rtdetr train model=rtdetr_r50vd_", "rtdetr train model=rtdetr_r50vd_m "),
    ("rtdetr train --model rtdetr_r50vd_", "rtdetr train --model rtdetr_r50vd_m "),
    ("rtdetr train cfg=small-", "rtdetr train cfg=small-data "),
    ("rtdetr train model=x.yaml data=bccd_", "rtdetr train model=x.yaml data=bccd_overfit8 "),
    ("rtdetr val model=bes", "rtdetr val model=best.safetensors "),
    ("rtdetr val --model bes", "rtdetr val --model best.safetensors "),
    ("rtdetr val --model=bes", "rtdetr val --model=best.safetensors "),
    ("rtdetr val model=dee", "rtdetr val model=deeper/"),
    ("rtdetr val model=deeper/la", "rtdetr val model=deeper/last.pth "),
    ("rtdetr val model=two", r"rtdetr val model=two\ words.pth "),
    ("rtdetr val model=nothing_", "rtdetr val model=nothing_"),
    ("rtdetr val model=x.pt data=min", "rtdetr val model=x.pt data=mine.yaml "),
    ("rtdetr val model=x.pt data=dee", "rtdetr val model=x.pt data=deeper/"),
    ("rtdetr train cfg=min", "rtdetr train cfg=mine.yaml "),
    ("rtdetr compare dee", "rtdetr compare deeper/"),
    ("rtdetr compare outp", "rtdetr compare output="),
    ("rtdetr help mode", "rtdetr help models "),
    ("rtdetr completion f", "rtdetr completion fish "),
]
TABS_OF = {
    "bash": [("rtdetr train --warmup_s", "rtdetr train --warmup_steps=")],
    "zsh": [
        ("rtdetr train --warmup_s", "rtdetr train --warmup_steps="),
        (r"rtdetr val model=two\ w", r"rtdetr val model=two\ words.pth "),
        ("rtdetr val model=~/at", "rtdetr val model=~/at_home.pth "),
        ("rtdetr val model=lr=0.1/la", "rtdetr val model=lr=0.1/last.pth "),
    ],
    "fish": [
        ("rtdetr train --warmup_s", "rtdetr train --warmup_steps "),
        (r"rtdetr val model=two\ w", r"rtdetr val model=two\ words.pth "),
        ('rtdetr val model="two w', 'rtdetr val model="two words.pth" '),
        ("rtdetr val model=~/at", "rtdetr val model=~/at_home.pth "),
        ("rtdetr val model=lr=0.1/la", "rtdetr val model=lr=0.1/last.pth "),
    ],
}
# A line, and all that is offered in place of its last word.
OFFERS = [
    ("rtdetr co", {"convert", "coco-eval", "compare", "completion"}),
    ("rtdetr train schedule=c", {"schedule=constant", "schedule=cosine"}),
    ("rtdetr train --schedule c", {"constant", "cosine"}),
    ("rtdetr train sync_bn=", {"sync_bn=true", "sync_bn=false"}),
    ("rtdetr train amp=", {"amp=off", "amp=bf16", "amp=fp16", "amp=auto"}),
    ("rtdetr completion ", {"bash", "zsh", "fish"}),
]

BASH = """unset HISTFILE; PS1=; bind 'set enable-bracketed-paste off'; bind 'set bell-style none'
source <(rtdetr completion bash)
show() { printf '<<%s>>\\n' "$READLINE_LINE"; READLINE_LINE= READLINE_POINT=0; }
bind -x '"\\C-g": show'; bind '"\\C-t": menu-complete'
"""
ZSH = """PS1=; unsetopt prompt_sp prompt_cr beep; unset zle_bracketed_paste; LISTMAX=10000
%s
show() { zle -I; print -r -- "<<$BUFFER>>"; BUFFER=; }
zle -N show; bindkey '^G' show; bindkey '^T' menu-complete
"""
FISH = """set -g fish_greeting; function fish_prompt; end
function show; echo '<<'(commandline)'>>'; commandline ''; commandline -f repaint; end
bind \\cg show
"""


def files(shell, home, script, sourced):
    """What a user of `shell` has at home, and the command that starts it."""
    if shell == "bash":
        (home / ".bashrc").write_text(BASH)
        return ["bash", "--rcfile", home / ".bashrc", "-i"]
    if shell == "zsh":
        start = "autoload -Uz compinit; compinit -u -D"
        if sourced:
            start += "; source <(rtdetr completion zsh)"
        else:
            (home / "functions").mkdir()
            (home / "functions/_rtdetr").write_text(script)
            start = "fpath=(~/functions $fpath); " + start
        (home / ".zshrc").write_text(ZSH % start)
        return ["zsh", "-d", "-i"]
    folder = home / ".config/fish/completions"
    folder.mkdir(parents=True)
    (folder / "rtdetr.fish").write_text(script)
    (folder.parent / "config.fish").write_text(FISH)
    (home / ".local/share/fish/generated_completions").mkdir(parents=True)  # without it fish reads all pages of man
    return ["fish", "-i"]


class Shell:
    """A shell at a terminal."""

    def __init__(self, shell, program, home, sourced=True):
        self.name, self.work = shell, home / "work"
        self.env = {
            "PATH": f"{program.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "ZDOTDIR": str(home),
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
        }
        script = subprocess.run([program, "completion", shell], check=True, capture_output=True, text=True).stdout
        line = list(map(str, files(shell, home, script, sourced)))
        try:
            self.pid, self.terminal = pty.fork()
        except OSError as error:
            print(f"no terminal can be made here: {error}")
            sys.exit(77)
        if self.pid == 0:
            os.chdir(self.work)
            os.execvpe(line[0], line, self.env)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 500, 1000, 0, 0))
        self.begin()

    def begin(self):
        """Until the shell answers: what is typed before it listens is lost in some."""
        for _ in range(300):
            self.type(SHOW)
            if "<<>>" in self.told(0.2):
                break
        else:
            raise SystemExit(f"{self.name} does not start")
        self.told(0.5)  # what more it said of several

    def type(self, text):
        os.write(self.terminal, text.encode())

    def told(self, seconds, until=None):
        text, end = "", time.monotonic() + seconds
        while time.monotonic() < end and not (until and re.search(until, text)):
            if select.select([self.terminal], [], [], 0.05)[0]:
                text += os.read(self.terminal, 65536).decode(errors="replace")
        return text

    def after(self, keys):
        """The line as it stands after these keys."""
        self.type(keys + SHOW)
        text = self.told(60, until="<<(.+)>>")  # an empty one is left of begin()
        found = re.findall("<<(.+)>>", text)
        assert found, (self.name, keys, text)
        return found[-1]

    def offered(self, line):
        if self.name == "fish":
            ask = ["fish", "-c", "complete -C $argv[1]", line]
            out = subprocess.run(ask, check=True, capture_output=True, text=True, env=self.env, cwd=self.work).stdout
            # fish offers what has the letters anywhere, too, and a key beside its values
            word = line.rsplit(" ", 1)[1]
            words = {one.split("\t")[0] for one in out.splitlines()}
            return {one for one in words if one.startswith(word) and one != word}
        begin = line.rsplit(" ", 1)[0] + " "
        words = []
        for count in range(1, 100):
            word = self.after(line + NEXT * count).removeprefix(begin).strip()
            if word in words or begin + word == line:
                break
            words.append(word)
        # bash counts what all have in common as one of them
        return set(words) - ({os.path.commonprefix(words)} if self.name == "bash" else set())

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def make_home(folder):
    work = folder / "work"
    for name in ("deeper/last.pth", "lr=0.1/last.pth", "best.safetensors", "two words.pth", "mine.yaml", "mine.onnx"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).touch()
    (folder / "at_home.pth").touch()
    return folder


def main():
    program, shell = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    if not shutil.which(shell):
        print(f"{shell} is not installed")
        sys.exit(77)
    wrong = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        user = Shell(shell, program, make_home(pathlib.Path(scratch)))
        for line, wanted in TABS + TABS_OF[shell]:
            found = user.after(line + TAB)
            if found != wanted:
                wrong.append(f"{line!r} and Tab: {found!r}, not {wanted!r}")
        for line, wanted in OFFERS:
            found = user.offered(line)
            if found != wanted:
                wrong.append(f"behind {line!r} is offered {sorted(found)}, not {sorted(wanted)}")
        user.end()
    if shell == "zsh":  # as an installation has it, a file in a folder of $fpath
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            user = Shell(shell, program, make_home(pathlib.Path(scratch)), sourced=False)
            for line, wanted in TABS[:1] + TABS[7:8]:
                for time_of_asking in ("first", "second"):  # the first loads the file
                    found = user.after(line + TAB)
                    if found != wanted:
                        wrong.append(f"from $fpath, {time_of_asking} time, {line!r} and Tab: {found!r}, not {wanted!r}")
            user.end()
    print("\n".join(wrong) or f"{shell}: {len(TABS + TABS_OF[shell])} lines and {len(OFFERS)} lists are as they should be")
    sys.exit(1 if wrong else 0)


main()
