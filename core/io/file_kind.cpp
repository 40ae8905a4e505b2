#include "core/io/file_kind.h"

#include <algorithm>
#include <cctype>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/text.h"
#include "core/io/read_only_file.h"

namespace rtdetr {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kLooked = 4096;  ///< bytes; a zip archive's first names are within

constexpr const char* kPyTorch =
    "a PyTorch checkpoint (a zip archive with pickled objects); weights= of train starts from it, and info lists it";
constexpr const char* kCalledPyTorch =
    "a PyTorch checkpoint, but begins neither as an archive nor as a pickle; it is damaged, or another file under this "
    "name";
constexpr const char* kOnnx = "an ONNX model; ONNX Runtime reads it";
constexpr const char* kHdf5 = "an HDF5 file, as Keras writes it; Keras reads it";
constexpr const char* kTfLite = "a TensorFlow Lite model; TensorFlow Lite reads it";
constexpr const char* kPickle = "a Python pickle, as PyTorch and PaddlePaddle write it; they read it";
constexpr const char* kTensorRt = "a TensorRT engine; the TensorRT that made it reads it";
constexpr const char* kArchive = "an archive; unpack it and give the file in it";

struct Beginning {
  std::size_t at;
  std::string_view bytes;
  const char* kind;
};

/// What files begin with.
constexpr Beginning kBeginnings[] = {
    {0, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20"sv,
     "a PyTorch checkpoint in its old format; weights= of train starts from it, and info lists it"},
    {0, "\x80\x02"sv, kPickle},
    {0, "\x80\x03"sv, kPickle},
    {0, "\x80\x04"sv, kPickle},
    {0, "\x80\x05"sv, kPickle},
    {0, "\x89HDF\r\n\x1a\n"sv, kHdf5},
    {4, "TFL3"sv, kTfLite},
    {0, "ptrt"sv, kTensorRt},
    {0, "ftrt"sv, kTensorRt},
    {0, "\x93NUMPY"sv, "a NumPy array; NumPy reads it"},
    {0, "GGUF"sv, "a GGUF file of a language model; llama.cpp reads it"},
    {0, "\x1f\x8b"sv, kArchive},
    {0, "BZh"sv, kArchive},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     kArchive},
    {0, "7z\xbc\xaf\x27\x1c"sv, kArchive},
    {0, "\x28\xb5\x2f\xfd"sv, kArchive},
    {257, "ustar"sv, kArchive},
    {0, "\xff\xd8\xff"sv, "a JPEG picture; it goes to source="},
    {0, "\x89PNG\r\n\x1a\n"sv, "a PNG picture; it goes to source="},
    {0, "version https://git-lfs.github.com/spec/"sv,
     "a pointer of Git LFS, not the file itself; 'git lfs pull' in its repository fetches that"},
};

struct Suffix {
  std::string_view suffix;
  const char* kind;
};

constexpr Suffix kSuffixes[] = {
    {".pt", kCalledPyTorch},
    {".pth", kCalledPyTorch},
    {".torchscript", kCalledPyTorch},
    {".ckpt", "a checkpoint of PyTorch Lightning or TensorFlow; those read it"},
    {".onnx", kOnnx},
    {".engine", kTensorRt},
    {".plan", kTensorRt},
    {".trt", kTensorRt},
    {".pkl", kPickle},
    {".pickle", kPickle},
    {".pdparams", "PaddlePaddle's parameters; PaddlePaddle reads them"},
    {".pdmodel", "a PaddlePaddle model; PaddlePaddle reads it"},
    {".pdiparams", "PaddlePaddle's parameters; PaddlePaddle reads them"},
    {".h5", kHdf5},
    {".hdf5", kHdf5},
    {".keras", "a Keras model; Keras reads it"},
    {".tflite", kTfLite},
    {".pb", "a TensorFlow graph; TensorFlow reads it"},
    {".mlmodel", "a Core ML model; Core ML reads it"},
    {".xml", "an OpenVINO model, or another XML file; OpenVINO reads the former"},
    {".param", "an ncnn model; ncnn reads it"},
    {".zip", kArchive},
    {".tar", kArchive},
    {".gz", kArchive},
    {".tgz", kArchive},
};

/// By the names of the archive's first entries.
std::string kind_of_zip(std::string_view head) {
  if (head.find("data.pkl") != head.npos || head.find("constants.pkl") != head.npos) return kPyTorch;
  if (head.find(".npy") != head.npos) return "an archive of NumPy arrays; NumPy reads it";
  if (head.find(".weights.h5") != head.npos) return "a Keras model; Keras reads it";
  return kArchive;
}

/// Protocol Buffers: field 1, a small version, then field 2, the producer's name.
bool is_onnx(std::string_view head) {
  if (head.size() < 6 || head[0] != 0x08 || head[1] < 1 || head[1] > 30 || head[2] != 0x12) return false;
  const std::string_view producer = head.substr(4, static_cast<unsigned char>(head[3]));
  return !producer.empty() &&
         std::all_of(producer.begin(), producer.end(), [](unsigned char c) { return std::isprint(c) != 0; });
}

bool is_web_page(std::string_view head) {
  const std::size_t begin = head.find_first_not_of("\xef\xbb\xbf \t\r\n");
  if (begin == head.npos) return false;
  const std::string word = lower_case(head.substr(begin, 14));
  return word.starts_with("<!doctype html") || word.starts_with("<html");
}

std::string kind_by_content(std::string_view head) {
  if (head.empty()) return "empty, as after a download or copy that did not finish";
  if (head.starts_with("PK\x03\x04")) return kind_of_zip(head);
  if (is_onnx(head)) return kOnnx;
  if (is_web_page(head)) return "a web page; the download answered with one instead of the file";
  for (const Beginning& beginning : kBeginnings)
    if (head.size() > beginning.at && head.substr(beginning.at).starts_with(beginning.bytes)) return beginning.kind;
  const bool zeros = head.size() >= 16 && head.find_first_not_of('\0') == head.npos;
  return zeros ? "nothing but zero bytes at its beginning, as after a download or copy that did not finish" : "";
}

std::string kind_by_name(const std::filesystem::path& file) {
  const std::string suffix = lower_case(file.extension().string());
  for (const Suffix& known : kSuffixes)
    if (known.suffix == suffix) return std::string("by its name ") + known.kind;
  return "";
}

}  // namespace

std::string describe_foreign_model(const ReadOnlyFile& file) {
  std::string head(std::min<std::uint64_t>(file.size(), kLooked), '\0');
  file.read(0, std::as_writable_bytes(std::span(head)));
  const std::string kind = kind_by_content(head);
  return kind.empty() ? kind_by_name(file.name()) : kind;
}

std::string describe_foreign_model(const std::filesystem::path& file) {
  return describe_foreign_model(ReadOnlyFile(file));
}

}  // namespace rtdetr
