#include <sys/mman.h>
#include <unistd.h>

#include "core/base/descriptor.h"
#include "core/weights/torch_file.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Descriptor memory(::memfd_create("fuzz", MFD_CLOEXEC));
  fuzz::expect(::write(memory.number(), data, size) == static_cast<ssize_t>(size));
  return fuzz::run([&] {
    const auto file = open_torch_file("/proc/self/fd/" + std::to_string(memory.number()));
    for (const WeightTensor& tensor : file->tensors()) {
      if (tensor.bytes > (std::uint64_t{1} << 20)) continue;
      std::vector<std::byte> values(tensor.bytes);
      file->read(tensor, values);
    }
  });
}
