#include "core/onnx/onnx_file.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    const OnnxModel model = parse_onnx(fuzz::text_of(data, size), "m.onnx");
    std::string written;
    stream_onnx(model, [&](std::string_view piece) { written += piece; });
    std::string again;
    stream_onnx(parse_onnx(written, "m.onnx"), [&](std::string_view piece) { again += piece; });
    fuzz::expect(again == written);
  });
}
