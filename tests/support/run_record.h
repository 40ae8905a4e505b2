#pragma once

#include <filesystem>
#include <string>

/// What a run folder holds, for comparing runs.
namespace rtdetr::test {

/// The state hash of last.safetensors.
std::string state_of(const std::filesystem::path& run);
/// Lines of log.jsonl about steps, and results.csv without its column of seconds.
std::string record_of(const std::filesystem::path& run);
/// How many whole checkpoints there are. @throws CheckpointError  if one of them is not whole
int whole_checkpoints(const std::filesystem::path& run);

}  // namespace rtdetr::test
