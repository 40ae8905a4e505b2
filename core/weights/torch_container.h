#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/io/read_only_file.h"
#include "core/weights/pickle_tree.h"

/// The two containers in which torch.save puts a pickle and the storages it speaks of: an archive since PyTorch 1.6,
/// before that five pickles and the bytes one behind the other.
namespace rtdetr {

struct TorchContents {
  std::unique_ptr<PickleTree> tree;
  PickleId root = kNoValue;
  std::vector<std::uint64_t> storage_at;  ///< where in the file each of tree->storages begins; all of it is there
};

/// @throws CheckpointError  for a broken archive (zip_file.h), a wrong sum, a TorchScript archive, big-endian storages,
///                          a pickle of other things than weights (pickle_machine.h), a storage that is missing or of
///                          another length; IoError
TorchContents read_torch_archive(const ReadOnlyFile& file);
TorchContents read_torch_stream(const ReadOnlyFile& file);

[[noreturn]] void refuse_torch(const std::string& file, const std::string& message);

/// Bytes of pickle that are read; those of the largest detectors have a fifth of a megabyte.
inline constexpr std::uint64_t kLargestPickle = std::uint64_t{128} << 20;

}  // namespace rtdetr
