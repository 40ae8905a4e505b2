"""Detects in a frame of pixels and in a picture file, through ctypes: no package besides Python itself.

    python3 detect.py PREFIX/lib/librtdetr.so best.safetensors photo.jpg
"""
import ctypes as c
import sys


class Image(c.Structure):
    _fields_ = [("data", c.c_char_p), ("width", c.c_int32), ("height", c.c_int32), ("stride", c.c_ssize_t),
                ("format", c.c_int32), ("chroma", c.c_char_p), ("chroma_stride", c.c_ssize_t)]


class Detection(c.Structure):
    _fields_ = [(name, c.c_float) for name in ("x0", "y0", "x1", "y1", "score")] + [("label", c.c_int32)]


if len(sys.argv) != 4:
    sys.exit("usage: detect.py LIBRARY MODEL PICTURE")
lib = c.CDLL(sys.argv[1])
for name, result in {"open": c.c_void_p, "detect": c.c_void_p, "detect_file": c.c_void_p, "error_text": c.c_char_p,
                     "class_name": c.c_char_p, "detection_count": c.c_size_t,
                     "detection_array": c.POINTER(Detection)}.items():
    getattr(lib, "rtdetr_" + name).restype = result


def call(function, *arguments):
    error = c.c_void_p()
    result = function(*arguments, c.byref(error))
    if not result:
        sys.exit(lib.rtdetr_error_text(error).decode())
    return c.c_void_p(result)


def boxes(detections):
    found = lib.rtdetr_detection_array(detections, c.c_size_t(0))
    return [found[i] for i in range(lib.rtdetr_detection_count(detections, c.c_size_t(0)))]


settings = (c.c_char_p * 3)(b"device=cpu", b"max_detections=100", None)
detector = call(lib.rtdetr_open, sys.argv[2].encode(), settings)
in_file = call(lib.rtdetr_detect_file, detector, sys.argv[3].encode())
for d in boxes(in_file):
    name = lib.rtdetr_class_name(detector, c.c_size_t(d.label)).decode()
    print(f"{name} {d.score:.2f}  {d.x0:.0f} {d.y0:.0f} {d.x1:.0f} {d.y1:.0f}")
frame = Image(bytes(480 * 640), 640, 480, 0, 4)  # grey; numpy: array.ctypes.data_as(c.c_char_p)
in_frame = call(lib.rtdetr_detect, detector, c.byref(frame), c.c_size_t(1))
print(len(boxes(in_frame)), "in the frame")
lib.rtdetr_detections_free(in_file)
lib.rtdetr_detections_free(in_frame)
lib.rtdetr_close(detector)
