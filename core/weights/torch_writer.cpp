#include "core/weights/torch_writer.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "core/io/little_endian.h"
#include "core/io/zip_writer.h"

/// A pickle is a program for a stack machine; each function here gives the text that leaves one value on the stack.
namespace rtdetr {
namespace {

constexpr std::size_t kStorageAlignment = 64;
constexpr const char* kRoot = "archive/";
constexpr char kFalse = '\x89', kMark = '(';

const char* storage_class(TensorType type) {
  switch (type) {
    case TensorType::kBool:
      return "BoolStorage";
    case TensorType::kU8:
      return "ByteStorage";
    case TensorType::kI8:
      return "CharStorage";
    case TensorType::kI16:
      return "ShortStorage";
    case TensorType::kI32:
      return "IntStorage";
    case TensorType::kI64:
      return "LongStorage";
    case TensorType::kF16:
      return "HalfStorage";
    case TensorType::kBF16:
      return "BFloat16Storage";
    case TensorType::kF32:
      return "FloatStorage";
    case TensorType::kF64:
      return "DoubleStorage";
  }
  throw InternalError("a type of tensors that PyTorch has no storage for");
}

std::string text_value(const std::string& utf8) { return "X" + little_endian_text(utf8.size(), 4) + utf8; }

std::string integer_value(std::int64_t number) {
  constexpr std::int64_t kLargest = 0x7FFFFFFF;
  const auto bits = static_cast<std::uint64_t>(number);
  return number <= kLargest ? "J" + little_endian_text(bits, 4) : "\x8a\x08" + little_endian_text(bits, 8);
}

std::string named_object(const char* module, const char* name) {
  return std::string("c") + module + "\n" + name + "\n";
}

std::string empty_ordered_dictionary() { return named_object("collections", "OrderedDict") + ")R"; }

std::string integers_value(const std::vector<std::int64_t>& numbers) {
  std::string text(1, kMark);
  for (const std::int64_t number : numbers) text += integer_value(number);
  return text + "t";
}

std::vector<std::int64_t> strides_of(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * std::max<std::int64_t>(shape[i], 1);
  return strides;
}

/// A call of _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks).
std::string tensor_value(const TensorView& tensor, std::size_t number) {
  const auto elements = static_cast<std::int64_t>(tensor.data.size() / element_size(tensor.type));
  const std::string storage = kMark + text_value("storage") + named_object("torch", storage_class(tensor.type)) +
                              text_value(std::to_string(number)) + text_value("cpu") + integer_value(elements) + "tQ";
  return named_object("torch._utils", "_rebuild_tensor_v2") + kMark + storage + integer_value(0) +
         integers_value(tensor.shape) + integers_value(strides_of(tensor.shape)) + kFalse + empty_ordered_dictionary() +
         "tR";
}

std::string pickle_of(std::span<const std::string> below, std::span<const TensorView> tensors) {
  std::string text = "\x80\x02";
  for (const std::string& name : below) text += "}" + text_value(name);
  text += empty_ordered_dictionary() + kMark;
  for (std::size_t i = 0; i < tensors.size(); ++i) text += text_value(tensors[i].name) + tensor_value(tensors[i], i);
  return text + "u" + std::string(below.size(), 's') + ".";
}

/// What does not fit is said before anything is written.
void check_fits(const std::filesystem::path& file, std::span<const TensorView> tensors, const std::string& pickle) {
  constexpr std::uint64_t kOtherEntries = 3, kMostTensors = kMostZipEntries - kOtherEntries;
  constexpr std::uint64_t kAroundAnEntry = 256;  // headers, name and alignment, at most
  const auto said = [](std::uint64_t number) { return with_thousands(static_cast<long long>(number)); };
  std::uint64_t bytes = pickle.size() + kAroundAnEntry * (tensors.size() + kOtherEntries);
  for (const TensorView& tensor : tensors) bytes += tensor.data.size();
  const std::string advice = "; write safetensors instead, which has no such limit";
  if (tensors.size() > kMostTensors) {
    throw ConfigError(file.string() + ": " + said(tensors.size()) + " tensors, and a PyTorch file of ours holds " +
                      said(kMostTensors) + " at most" + advice);
  }
  if (bytes > kMostZipBytes) {
    throw ConfigError(file.string() + ": tensors of " + said(bytes) + " bytes, and a PyTorch file of ours holds " +
                      said(kMostZipBytes) + " at most" + advice);
  }
}

}  // namespace

void write_torch_file(const std::filesystem::path& file, std::span<const std::string> below,
                      std::span<const TensorView> tensors, const AtomicWriteOptions& options) {
  for (const TensorView& tensor : tensors) check_size(tensor);
  const std::string root = kRoot, pickle = pickle_of(below, tensors);
  check_fits(file, tensors, pickle);
  write_file_atomically(
      file,
      [&](FileSink& sink) {
        ZipWriter archive(sink);
        archive.add(root + "data.pkl", pickle);
        archive.add(root + "byteorder", "little");
        for (std::size_t i = 0; i < tensors.size(); ++i)
          archive.add(root + "data/" + std::to_string(i), tensors[i].data, kStorageAlignment);
        archive.add(root + "version", "3\n");
        archive.finish();
      },
      options);
}

}  // namespace rtdetr
