#include <sys/mman.h>
#include <unistd.h>

#include "core/base/descriptor.h"
#include "core/weights/flat_json.h"
#include "models/weights/architecture.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

namespace {

/// What is left of a pickled model of Ultralytics: numbers and texts by their paths, which flat_json gives as well, and
/// the one tensor that tells the number of classes.
class PickledModel : public WeightsFile {
 public:
  explicit PickledModel(FileMetadata texts) {
    hold({{"model.model.4.enc_score_head.weight", TensorType::kF32, {3, 16}, 3 * 16 * sizeof(float)}});
    add_metadata(std::move(texts));
  }
  const char* format() const override { return "PyTorch"; }
  void read(const WeightTensor&, std::span<std::byte>) const override { fuzz::expect(false); }
};

FileMetadata texts_of(std::string_view json) {
  const Descriptor memory(::memfd_create("fuzz", MFD_CLOEXEC));
  fuzz::expect(::write(memory.number(), json.data(), json.size()) == static_cast<ssize_t>(json.size()));
  return flat_json("/proc/self/fd/" + std::to_string(memory.number()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    const PickledModel file(texts_of(fuzz::text_of(data, size)));
    const Architecture found = recognise_architecture(file, "m.pt");
    fuzz::expect(found.spec.num_classes == 3 && !found.spec.rows.empty());
    fuzz::expect(found.names.empty() || found.names.size() == 3);
    fuzz::expect(!found.size || (found.size->height > 0 && found.size->width > 0));
  });
}
