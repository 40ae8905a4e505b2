#include "core/onnx/onnx_file.h"

#include <system_error>

#include "core/base/error.h"

namespace rtdetr {

std::size_t onnx_element_size(OnnxType type) {
  switch (type) {
    case OnnxType::kUint8:
    case OnnxType::kInt8:
    case OnnxType::kBool:
      return 1;
    case OnnxType::kFloat16:
    case OnnxType::kBfloat16:
      return 2;
    case OnnxType::kFloat:
    case OnnxType::kInt32:
      return 4;
    case OnnxType::kInt64:
    case OnnxType::kDouble:
      return 8;
  }
  throw InternalError("no ONNX element type has the number " + std::to_string(static_cast<int>(type)));
}

OnnxModel read_onnx(const std::filesystem::path& file, std::uint64_t limit) {
  std::error_code unknown;  // is told where the file is opened
  const std::uintmax_t size = std::filesystem::file_size(file, unknown);
  if (!unknown && size > limit) {
    throw CheckpointError(file.string() + ": has " + std::to_string(size) + " bytes, and an ONNX file holds " +
                          std::to_string(limit));
  }
  return parse_onnx(read_text_file(file, limit), file.string());
}

void write_onnx(const std::filesystem::path& file, const OnnxModel& model, const AtomicWriteOptions& options) {
  write_file_atomically(
      file, [&](FileSink& sink) { stream_onnx(model, [&](std::string_view piece) { sink.write(piece); }); }, options);
}

}  // namespace rtdetr
