#include "core/weights/torch_file.h"

#include "core/base/check.h"
#include "core/io/read_only_file.h"
#include "core/weights/torch_container.h"
#include "core/weights/torch_walk.h"

namespace rtdetr {
namespace {

constexpr std::uint64_t kExpandedRoom = std::uint64_t{128} << 20;

class TorchFile : public WeightsFile {
 public:
  explicit TorchFile(const std::filesystem::path& path) : file_(path) {
    const TorchContents contents = is_archive() ? read_torch_archive(file_) : read_torch_stream(file_);
    const std::uint64_t most_bytes = 2 * file_.size() + kExpandedRoom;
    WalkedWeights weights = walk_weights(*contents.tree, contents.root, most_bytes, file_.name());
    hold(std::move(weights.tensors));
    add_metadata(std::move(weights.metadata));
    views_ = std::move(weights.views);
    storage_at_ = contents.storage_at;
  }

  const char* format() const override { return "PyTorch"; }

  void read(const WeightTensor& tensor, std::span<std::byte> out) const override {
    const WeightTensor* found = find(tensor.name);
    RTDETR_CHECK(found, "no tensor '" + tensor.name + "' in this file");
    RTDETR_CHECK(out.size() == found->bytes, "the buffer for tensor '" + tensor.name + "' has another size");
    const NamedView& named = views_[static_cast<std::size_t>(found - tensors().data())];
    const StorageRange range = storage_range(named.view);
    const std::uint64_t at = storage_at_[named.storage] + range.begin;
    if (is_contiguous(named.view)) {
      file_.read(at, out);
    } else {
      std::vector<std::byte> bytes(range.bytes);
      file_.read(at, bytes);
      lay_out(named.view, bytes, out);
    }
    if (tensor.type == TensorType::kBool)
      for (std::byte& truth : out) truth = truth == std::byte{0} ? truth : std::byte{1};
  }

 private:
  bool is_archive() const {
    char first = 0;
    if (file_.size() > 0) file_.read(0, std::as_writable_bytes(std::span(&first, 1)));
    return first == 'P';
  }

  ReadOnlyFile file_;
  std::vector<NamedView> views_;
  std::vector<std::uint64_t> storage_at_;
};

}  // namespace

std::unique_ptr<WeightsFile> open_torch_file(const std::filesystem::path& file) {
  return std::make_unique<TorchFile>(file);
}

}  // namespace rtdetr
