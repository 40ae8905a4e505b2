#include "core/io/safetensors_header.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    constexpr std::uint64_t kPayload = 64;
    const std::string text(fuzz::text_of(data, size));
    const SafetensorsHeader header = parse_safetensors_header(text, kPayload, "m.safetensors");
    std::uint64_t end = 0;
    for (const TensorEntry& entry : header.entries) {
      fuzz::expect(entry.offset == end && entry.bytes <= kPayload - end);
      end += entry.bytes;
    }
    fuzz::expect(end == kPayload);
  });
}
