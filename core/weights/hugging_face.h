#pragma once

#include <filesystem>
#include <memory>

#include "core/weights/weights_file.h"

/// What Hugging Face's tools lay beside a file of weights: config.json and preprocessor_config.json, and with large
/// models an index of several files.
namespace rtdetr {

/// The file of weights in a model's folder: model.safetensors, its index, pytorch_model.bin, its index.
/// @throws CheckpointError  if there is none, saying what is there instead
std::filesystem::path weights_in_folder(const std::filesystem::path& folder);

/// The same for a folder; any other path stays as it is.
std::filesystem::path weights_file_at(const std::filesystem::path& path);

/// `….safetensors.index.json` or `….bin.index.json`, by its name.
bool is_shard_index(const std::filesystem::path& file);

/// The tensors that an index names, from the files it names; these are data of the index, and have to be regular files
/// of its folder. @throws CheckpointError  naming the index, the tensor and the file; IoError
std::unique_ptr<WeightsFile> open_shards(const std::filesystem::path& index);

/// What the files beside a model's weights say: `config.id2label.0`, `preprocessor_config.do_normalize`, as flat_json
/// has it. Empty if `weights` is not called as Hugging Face's tools call it, or there are none.
/// @throws CheckpointError  as flat_json
FileMetadata config_beside(const std::filesystem::path& weights);

}  // namespace rtdetr
