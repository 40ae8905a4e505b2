#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <string>
#include <vector>

#include "core/io/read_only_file.h"

/// Zip archives as PyTorch writes them, read strictly: stored entries only, one directory, and every byte of the file
/// belongs to exactly one part of it. What torch's own reader lets pass (compressed, overlapping or hidden entries, two
/// names for one, wrong sums) is refused, so no two programs can see two different contents in one file.
namespace rtdetr {

struct ZipEntry {
  std::string name;
  std::uint64_t offset = 0;  ///< of its bytes in the file
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
};

/// All entries, in the file's order. Checks the end records (zip64 too), the directory, each local header and data
/// descriptor against it, that names are relative and unlike, and that the parts tile the file. Not the sums.
/// Memory: the directory twice.
/// @throws CheckpointError  naming the file and the rule that is broken; IoError
std::vector<ZipEntry> read_zip_directory(const ReadOnlyFile& file);

/// The entry's bytes. @throws CheckpointError  when they do not match its sum
std::string read_zip_entry(const ReadOnlyFile& file, const ZipEntry& entry);
/// Reads the entry once, piece by piece. @throws CheckpointError  when it does not match its sum
void verify_zip_entry(const ReadOnlyFile& file, const ZipEntry& entry);

}  // namespace rtdetr
