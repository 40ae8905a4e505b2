#include <algorithm>
#include <map>
#include <span>

#include "core/io/little_endian.h"
#include "core/io/utf8.h"
#include "core/weights/pickle_machine.h"
#include "core/weights/torch_container.h"

// The older container: pickles of a magic number, a version, the writer's system, the object and the list of storages,
// then per storage its number of elements and its bytes.

namespace rtdetr {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kTorchMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;
constexpr std::int64_t kTorchVersion = 1001;
constexpr std::uint64_t kCountBytes = 8;

void check_system(const PickleTree& tree, PickleId system, const std::string& file) {
  const PickleId little = tree.find(system, "little_endian");
  if (little == kNoValue || tree[little].kind != PickleKind::kBool)
    refuse_torch(file, "it does not say in which order its numbers' bytes are");
  if (tree[little].integer() == 0) refuse_torch(file, "its numbers are big-endian");
}

/// Reads the pickles in front of the storages. @return  where they end
std::size_t read_pickles(TorchContents& contents, PickleId& keys, const std::string& file) {
  const PickleTree& tree = *contents.tree;
  PickleMachine machine(*contents.tree, file);
  std::size_t at = 0;
  const PickleId magic = machine.read(at);
  if (tree[magic].kind != PickleKind::kLong || tree.text_of(tree[magic]) != kTorchMagic)
    refuse_torch(file, "it is a pickle, but none of torch.save's");
  const PickleId version = machine.read(at);
  if (tree[version].kind != PickleKind::kInteger || tree[version].integer() != kTorchVersion)
    refuse_torch(file, "it is of an unknown version");
  check_system(tree, machine.read(at), file);
  contents.root = machine.read(at);
  keys = machine.read(at);
  return at;
}

/// Finds each storage's bytes behind the pickles; nothing may be left over.
class StorageFinder {
 public:
  StorageFinder(const ReadOnlyFile& file, TorchContents& contents) : file_(file), contents_(contents) {
    for (std::size_t i = 0; i < contents.tree->storages.size(); ++i) by_key_[contents.tree->storages[i].key] = i;
    contents.storage_at.assign(contents.tree->storages.size(), 0);
  }

  void find(PickleId keys, std::uint64_t at) {
    const PickleTree& tree = *contents_.tree;
    if (tree[keys].kind != PickleKind::kList) refuse_torch(file_.name(), "its list of storages is none");
    for (const PickleId key : tree.items_of(tree[keys])) {
      if (tree[key].kind != PickleKind::kText)
        refuse_torch(file_.name(), "its list of storages has one without a name");
      at = find_one(tree.text_of(tree[key]), at);
    }
    if (found_ != tree.storages.size())
      refuse_torch(file_.name(), "its list of storages lacks some that its tensors need");
    if (at != file_.size()) refuse_torch(file_.name(), "there are bytes behind its last storage");
  }

 private:
  std::uint64_t find_one(std::string_view key, std::uint64_t at) {
    const auto known = by_key_.find(key);
    if (known == by_key_.end())
      refuse_torch(file_.name(), "storage '" + printable(key) + "' is listed twice, or no tensor needs it");
    const TorchStorage& storage = contents_.tree->storages[known->second];
    const std::uint64_t element = storage.untyped ? 1 : element_size(storage.type);
    char bytes[kCountBytes] = {};
    if (at > file_.size() || file_.size() - at < kCountBytes) refuse_cut_off(storage);
    file_.read(at, std::as_writable_bytes(std::span(bytes)));
    at += kCountBytes;
    if (little_endian({bytes, kCountBytes}) != storage.bytes / element)
      refuse_torch(file_.name(), "storage " + storage.key + " does not have the length that its tensors say");
    if (file_.size() - at < storage.bytes) refuse_cut_off(storage);
    contents_.storage_at[known->second] = at;
    by_key_.erase(known);
    ++found_;
    return at + storage.bytes;
  }

  [[noreturn]] void refuse_cut_off(const TorchStorage& storage) const {
    refuse_torch(file_.name(), "it ends before the bytes of storage " + storage.key + "; it is cut off");
  }

  const ReadOnlyFile& file_;
  TorchContents& contents_;
  std::map<std::string, std::size_t, std::less<>> by_key_;
  std::size_t found_ = 0;
};

}  // namespace

TorchContents read_torch_stream(const ReadOnlyFile& file) {
  TorchContents contents{std::make_unique<PickleTree>(), kNoValue, {}};
  std::string& text = contents.tree->text;
  text.resize(std::min(file.size(), kLargestPickle));
  file.read(0, std::as_writable_bytes(std::span(text)));
  PickleId keys = kNoValue;
  const std::size_t end = read_pickles(contents, keys, file.name());
  text.resize(end);
  text.shrink_to_fit();
  StorageFinder(file, contents).find(keys, end);
  return contents;
}

}  // namespace rtdetr
