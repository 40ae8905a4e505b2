#include "core/weights/weights_file.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/file_kind.h"
#include "core/io/read_only_file.h"
#include "core/weights/hugging_face.h"
#include "core/weights/torch_container.h"
#include "core/weights/torch_file.h"

namespace rtdetr {
namespace {

class SafetensorsWeights : public WeightsFile {
 public:
  explicit SafetensorsWeights(const std::filesystem::path& file) : reader_(file) {
    reader_.verify_payload();
    std::vector<WeightTensor> tensors;
    for (const TensorEntry& entry : reader_.entries())
      tensors.push_back({entry.name, entry.type, entry.shape, entry.bytes});
    hold(std::move(tensors));
    add_metadata(reader_.metadata());
  }

  const char* format() const override { return "safetensors"; }
  void read(const WeightTensor& tensor, std::span<std::byte> out) const override {
    const TensorEntry* entry = reader_.find(tensor.name);
    RTDETR_CHECK(entry, "no tensor '" + tensor.name + "' in this file");
    reader_.read(*entry, out);
  }

 private:
  SafetensorsReader reader_;
};

enum class Container { kSafetensors, kTorch };

/// By the first bytes: an archive, a pickle of protocol 2 to 5, or the length of a header and its brace, which may
/// begin like a pickle.
Container container_of(const std::filesystem::path& path) {
  const ReadOnlyFile file(path);
  char bytes[9] = {};
  file.read(0, std::as_writable_bytes(std::span(bytes)).first(std::min<std::uint64_t>(file.size(), sizeof(bytes))));
  const std::string_view head(bytes, sizeof(bytes));
  if (head.substr(0, 4) == "PK\x03\x04") return Container::kTorch;
  const bool long_header = head.substr(4, 4) == std::string_view("\0\0\0", 4) && head[8] == '{';
  return head[0] == '\x80' && head[1] >= 2 && head[1] <= 5 && !long_header ? Container::kTorch
                                                                           : Container::kSafetensors;
}

/// A pickle like PyTorch's, of arrays that PyTorch does not read either.
void refuse_paddle(const std::filesystem::path& file) {
  if (!lower_case(file.extension().string()).starts_with(".pdparams")) return;
  throw CheckpointError(
      file.string() +
      ": is PaddlePaddle's parameters, which are not read; nothing was taken. The official models and "
      "backbones are published for PyTorch too (…_from_paddle.pth): take that file");
}

/// The reader of safetensors would send a file that is only called like PyTorch's to PyTorch.
void refuse_called_like_torch(const std::filesystem::path& file) {
  std::string suffix = lower_case(file.extension().string());
  if (suffix != ".pt" && suffix != ".pth") return;
  if (!describe_foreign_model(file).starts_with("by its name")) return;
  refuse_torch(file.string(), "it begins neither as an archive nor as a pickle; it is another file under this name");
}

}  // namespace

void WeightsFile::hold(std::vector<WeightTensor> tensors) {
  tensors_ = std::move(tensors);
  index_of_.reserve(tensors_.size());
  for (std::size_t i = 0; i < tensors_.size(); ++i) index_of_.emplace(tensors_[i].name, i);
}

const WeightTensor* WeightsFile::find(const std::string& name) const {
  const auto at = index_of_.find(name);
  return at == index_of_.end() ? nullptr : &tensors_[at->second];
}

bool holds_torch_weights(const std::filesystem::path& file) {
  std::error_code none;
  return std::filesystem::is_regular_file(file, none) && container_of(file) == Container::kTorch;
}

std::unique_ptr<WeightsFile> open_weights_file(const std::filesystem::path& file) {
  refuse_paddle(file);
  if (container_of(file) == Container::kTorch) return open_torch_file(file);
  refuse_called_like_torch(file);
  return std::make_unique<SafetensorsWeights>(file);
}

std::unique_ptr<WeightsFile> open_weights(const std::filesystem::path& path) {
  const std::filesystem::path file = weights_file_at(path);
  auto opened = is_shard_index(file) ? open_shards(file) : open_weights_file(file);
  opened->add_metadata(config_beside(file));
  return opened;
}

}  // namespace rtdetr
