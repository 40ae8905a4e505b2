#include "core/weights/hugging_face.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/utf8.h"
#include "core/weights/flat_json.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndexEnd = ".index.json";
constexpr std::array kWeightNames = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                     "pytorch_model.bin.index.json"};
constexpr std::array kConfigs = {"config", "preprocessor_config"};
constexpr std::size_t kMostShards = 1000;
constexpr std::uint64_t kRoomOfShards = std::uint64_t{128} << 20, kMostTextOfShards = std::uint64_t{64} << 20;

bool is_file(const fs::path& file) {
  std::error_code ignored;
  return fs::is_regular_file(file, ignored);
}

/// A name alone: nothing that leads out of the folder.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

/// Tensor → file, from the index' weight_map.
std::map<std::string, std::string> weight_map_of(const fs::path& index) {
  constexpr std::string_view kMap = "weight_map.";
  std::map<std::string, std::string> files;
  for (auto& [path, value] : flat_json(index))
    if (path.starts_with(kMap)) files.emplace(path.substr(kMap.size()), value);
  if (files.empty())
    throw CheckpointError(index.string() + ": is no index of weights: it has no weight_map; give the file of weights");
  return files;
}

class ShardedWeights : public WeightsFile {
 public:
  explicit ShardedWeights(const fs::path& index) : index_(index) {
    std::vector<WeightTensor> tensors;
    for (const auto& [name, file] : weight_map_of(index)) {
      const WeightsFile& shard = open_shard(file);
      const WeightTensor* tensor = shard.find(name);
      if (tensor == nullptr)
        throw CheckpointError(index.string() + ": says that '" + excerpt(name) + "' is in " + file +
                              ", but it is not there; fetch both files again");
      tensors.push_back(*tensor);
      shard_of_.emplace(name, &shard);
    }
    hold(std::move(tensors));
  }

  const char* format() const override { return shards_.begin()->second->format(); }
  void read(const WeightTensor& tensor, std::span<std::byte> out) const override {
    const auto shard = shard_of_.find(tensor.name);
    RTDETR_CHECK(shard != shard_of_.end(), "no tensor '" + tensor.name + "' in these files");
    shard->second->read(tensor, out);
  }

 private:
  const WeightsFile& open_shard(const std::string& name) {
    const auto opened = shards_.find(name);
    if (opened != shards_.end()) return *opened->second;
    const fs::path file = index_.parent_path() / name;
    if (!is_plain_name(name))
      throw CheckpointError(index_.string() + ": names the file '" + printable(name) +
                            "', which is not a name in its own folder; nothing was opened. Take another copy");
    if (!is_file(file))
      throw CheckpointError(index_.string() + ": names " + name +
                            ", but there is no such file beside it; fetch all files of the model");
    if (shards_.size() >= kMostShards)
      throw CheckpointError(index_.string() + ": names more than " + std::to_string(kMostShards) + " files");
    const WeightsFile& shard = *shards_.emplace(name, open_weights_file(file)).first->second;
    charge(shard, file);
    return shard;
  }

  /// Each file has its bounds (torch_file.h); all of them together have the same.
  void charge(const WeightsFile& shard, const fs::path& file) {
    most_bytes_ += 2 * fs::file_size(file);
    for (const WeightTensor& tensor : shard.tensors()) bytes_ += tensor.bytes;
    for (const auto& [path, text] : shard.metadata()) text_bytes_ += path.size() + text.size();
    if (bytes_ > most_bytes_)
      throw CheckpointError(index_.string() + ": the tensors of its files up to " + file.filename().string() +
                            ", laid out, take more than twice these files and 128 MiB");
    if (text_bytes_ > kMostTextOfShards)
      throw CheckpointError(index_.string() + ": the names and texts of its files take more than 64 MiB");
  }

  fs::path index_;
  std::uint64_t bytes_ = 0, most_bytes_ = kRoomOfShards, text_bytes_ = 0;
  std::map<std::string, std::unique_ptr<WeightsFile>> shards_;
  std::map<std::string, const WeightsFile*> shard_of_;
};

}  // namespace

fs::path weights_in_folder(const fs::path& folder) {
  for (const char* name : kWeightNames)
    if (is_file(folder / name)) return folder / name;
  const bool run = is_file(folder / "best.safetensors");
  throw CheckpointError(folder.string() + ": is a folder without model.safetensors or pytorch_model.bin" +
                        (run ? "; it is a run's, whose weights are " + (folder / "best.safetensors").string()
                             : "; give the file of weights, or a Hugging Face model's folder"));
}

fs::path weights_file_at(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored) ? weights_in_folder(path) : path;
}

bool is_shard_index(const fs::path& file) { return file.filename().string().ends_with(kIndexEnd); }

std::unique_ptr<WeightsFile> open_shards(const fs::path& index) { return std::make_unique<ShardedWeights>(index); }

FileMetadata config_beside(const fs::path& weights) {
  const std::string name = weights.filename().string();
  if (std::find(kWeightNames.begin(), kWeightNames.end(), name) == kWeightNames.end()) return {};
  FileMetadata entries;
  for (const std::string config : kConfigs) {
    const fs::path file = weights.parent_path() / (config + ".json");
    if (!is_file(file)) continue;
    for (auto& [path, value] : flat_json(file)) entries.emplace(config + "." + path, value);
  }
  return entries;
}

}  // namespace rtdetr
