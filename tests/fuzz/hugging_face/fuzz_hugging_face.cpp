#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/descriptor.h"
#include "core/weights/hugging_face.h"
#include "models/weights/architecture.h"
#include "models/weights/hugging_face_config.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
namespace fs = std::filesystem;

namespace {

constexpr const char* kJsonFiles[] = {"config.json", "preprocessor_config.json", "model.safetensors.index.json"};

/// A model of Hugging Face whose three JSON files are one piece of memory.
class ModelFolder {
 public:
  ModelFolder() : memory_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    for (const char* name : kJsonFiles)
      fs::create_symlink("/proc/self/fd/" + std::to_string(memory_.number()), folder_ / name);
    const fs::path fixture = fs::path(RTDETR_SOURCE_DIR) / "tests/fixtures/interop/hf_v1_basic";
    fs::create_symlink(fixture / "model.safetensors", weights());
    file_ = open_weights_file(weights());
  }

  void write(std::string_view text) {
    fuzz::expect(::ftruncate(memory_.number(), 0) == 0);
    fuzz::expect(::pwrite(memory_.number(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }

  fs::path weights() const { return folder_ / "model.safetensors"; }
  fs::path index() const { return folder_ / kJsonFiles[2]; }
  const WeightsFile& file() const { return *file_; }

 private:
  test::TemporaryFolder folder_;
  Descriptor memory_;
  std::unique_ptr<WeightsFile> file_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static ModelFolder model;
  model.write(fuzz::text_of(data, size));
  fuzz::run([&] { fuzz::expect(!open_shards(model.index())->tensors().empty()); });
  fuzz::run([&] { config_beside(model.weights()); });
  return fuzz::run([&] {
    const Architecture found = recognise_architecture(model.file(), model.weights());
    fuzz::expect(found.names.empty() || static_cast<std::int64_t>(found.names.size()) == found.spec.num_classes);
    fuzz::expect(found.size && found.size->height > 0 && found.size->width > 0);
  });
}
