#include <algorithm>

#include "core/base/error.h"
#include "core/io/utf8.h"
#include "core/io/zip_file.h"
#include "core/weights/pickle_machine.h"
#include "core/weights/torch_container.h"

namespace rtdetr {
namespace {

constexpr const char* kPickle = "data.pkl";

/// Entries by name below the one folder that an archive of torch.save has.
class Archive {
 public:
  explicit Archive(const ReadOnlyFile& file) : file_(file), entries_(read_zip_directory(file)) {
    if (entries_.empty()) refuse_torch(file.name(), "it is an empty archive");
    root_ = entries_.front().name.substr(0, entries_.front().name.find('/') + 1);
    for (const ZipEntry& entry : entries_) {
      if (root_.empty() || !entry.name.starts_with(root_))
        refuse_torch(file.name(), "its entries do not lie in one folder: '" + printable(entry.name) + "'");
    }
    std::sort(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    if (find("constants.pkl") || has_folder("code/"))
      refuse_torch(file.name(), "it is a TorchScript archive, a program");
  }

  const ZipEntry* find(const std::string& name) const {
    const std::string full = root_ + name;
    const auto at = first_from(full);
    return at != entries_.end() && at->name == full ? &*at : nullptr;
  }

  void verify_storages() const {
    for (const ZipEntry& entry : entries_) verify_zip_entry(file_, entry);
  }

 private:
  std::vector<ZipEntry>::const_iterator first_from(const std::string& name) const {
    return std::lower_bound(entries_.begin(), entries_.end(), name,
                            [](const ZipEntry& entry, const std::string& wanted) { return entry.name < wanted; });
  }
  bool has_folder(const std::string& name) const {
    const auto at = first_from(root_ + name);
    return at != entries_.end() && at->name.starts_with(root_ + name);
  }

  const ReadOnlyFile& file_;
  std::vector<ZipEntry> entries_;
  std::string root_;  ///< "best/"
};

void check_byte_order(const ReadOnlyFile& file, const Archive& archive) {
  const ZipEntry* entry = archive.find("byteorder");
  if (!entry) return;  // before PyTorch 2.1: little
  const std::string order = entry->size < 16 ? read_zip_entry(file, *entry) : "";
  if (order != "little") refuse_torch(file.name(), "its numbers are not little-endian but '" + printable(order) + "'");
}

}  // namespace

void refuse_torch(const std::string& file, const std::string& message) {
  throw CheckpointError("'" + file + "' cannot be read as a PyTorch file of weights: " + message);
}

TorchContents read_torch_archive(const ReadOnlyFile& file) {
  const Archive archive(file);
  const ZipEntry* pickle = archive.find(kPickle);
  if (!pickle) refuse_torch(file.name(), "its archive has no 'data.pkl'");
  if (pickle->size > kLargestPickle)
    refuse_torch(file.name(), "its pickle of " + std::to_string(pickle->size) + " bytes is larger than any of weights");
  check_byte_order(file, archive);
  TorchContents contents{std::make_unique<PickleTree>(), kNoValue, {}};
  contents.tree->text = read_zip_entry(file, *pickle);
  std::size_t at = 0;
  contents.root = PickleMachine(*contents.tree, file.name()).read(at);
  if (at != contents.tree->text.size()) refuse_torch(file.name(), "there are bytes behind its pickle");
  for (const TorchStorage& storage : contents.tree->storages) {
    const ZipEntry* entry = archive.find("data/" + storage.key);
    if (!entry) refuse_torch(file.name(), "storage " + storage.key + " is missing from its archive");
    if (entry->size != storage.bytes) {
      refuse_torch(file.name(), "storage " + storage.key + " has " + std::to_string(entry->size) +
                                    " bytes, its pickle says " + std::to_string(storage.bytes));
    }
    contents.storage_at.push_back(entry->offset);
  }
  archive.verify_storages();
  return contents;
}

}  // namespace rtdetr
