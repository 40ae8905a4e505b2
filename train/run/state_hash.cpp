#include "train/run/state_hash.h"

#include <algorithm>

#include "core/base/hash.h"

namespace rtdetr {

std::string state_hash(const SafetensorsReader& file) {
  std::vector<TensorEntry> entries = file.entries();
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });

  // Every field ends in a byte that no field contains, so that no two states read as the same text.
  const std::string_view end("\0", 1);
  Sha256 hash;
  std::vector<std::byte> bytes;
  for (const TensorEntry& entry : entries) {
    hash.update(entry.name);
    hash.update(end);
    hash.update(std::string_view(type_name(entry.type)));
    for (std::int64_t side : entry.shape) {
      hash.update(",");
      hash.update(std::to_string(side));
    }
    hash.update(end);
    bytes.resize(entry.bytes);
    file.read(entry, bytes);
    hash.update(bytes);
  }
  for (const char* counter : {"step", "epoch"}) {
    const auto found = file.metadata().find(counter);
    hash.update(counter);
    hash.update(end);
    hash.update(found == file.metadata().end() ? std::string() : found->second);
    hash.update(end);
  }
  return hash.hex_digest();
}

}  // namespace rtdetr
