#include "core/weights/torch_walk.h"

#include <algorithm>
#include <set>

#include "core/base/text.h"
#include "core/io/utf8.h"
#include "core/weights/torch_container.h"

namespace rtdetr {
namespace {

constexpr int kDeepest = 64;
constexpr std::uint64_t kMostVisits = 2'000'000;
constexpr std::size_t kLongestPath = 1024;
constexpr std::uint64_t kMostText = std::uint64_t{64} << 20;
constexpr std::uint64_t kEntryBytes = 256;  ///< what one entry takes beside its texts

/// C0, DEL, and C1 as UTF-8 has it: what a terminal may take for a command.
bool has_control_characters(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F) return true;
    if (byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) return true;
  }
  return false;
}

class WeightWalker {
 public:
  WeightWalker(const PickleTree& tree, std::uint64_t most_bytes, const std::string& file)
      : tree_(tree), most_bytes_(most_bytes), file_(file) {}

  /// @param tensors  false: below a module's plain attribute, where tensors are caches and only texts and numbers count
  void visit(PickleId id, int depth, bool tensors) {
    count_values(1);
    if (depth > kDeepest) {
      if (tensors) refuse("'" + printable(path_) + "' lies deeper than 64 levels, or is part of itself");
      return;
    }
    const PickleValue& value = tree_[id];
    switch (value.kind) {
      case PickleKind::kTensor:
        if (tensors) add_tensor(tree_.tensors[value.index]);
        break;
      case PickleKind::kDictionary:
        visit_entries(id, depth, tensors);
        break;
      case PickleKind::kTuple:
      case PickleKind::kList:
      case PickleKind::kSet:
        visit_items(value, depth, tensors);
        break;
      case PickleKind::kObject:
        visit_object(value.second(), depth, tensors);
        break;
      default:
        add_text(value);
    }
  }

  WalkedWeights take() { return std::move(found_); }

 private:
  [[noreturn]] void refuse(const std::string& message) const { refuse_torch(file_, message); }

  /// Values that are looked at, each time: one that is part of many is as much work as many.
  void count_values(std::size_t count) {
    visits_ += count;
    if (visits_ > kMostVisits) refuse("it has more than " + with_thousands(kMostVisits) + " values, or repeats some");
  }

  void visit_below(std::string_view name, PickleId id, int depth, bool tensors) {
    const std::size_t length = path_.size();
    if (length + name.size() >= kLongestPath)
      refuse("below '" + printable(path_) + "' there is a name that is too long");
    if (length > 0) path_ += '.';
    path_ += name;
    visit(id, depth + 1, tensors);
    path_.resize(length);
  }

  void visit_entries(PickleId dictionary, int depth, bool tensors) {
    const std::span<const PickleId> pairs = tree_.items_of(tree_[dictionary]);
    for (std::size_t i = 0; i < pairs.size(); i += 2)
      visit_below(key_of(tree_[pairs[i]]), pairs[i + 1], depth, tensors);
  }

  void visit_items(const PickleValue& value, int depth, bool tensors) {
    std::size_t number = 0;
    for (const PickleId item : tree_.items_of(value)) visit_below(std::to_string(number++), item, depth, tensors);
  }

  std::string key_of(const PickleValue& key) const {
    if (key.kind == PickleKind::kText) {
      if (key.second() >= kLongestPath) refuse("below '" + printable(path_) + "' there is a name that is too long");
      return std::string(tree_.text_of(key));
    }
    return is_plain(key) ? plain_text(key) : words_for(key.kind);
  }

  static bool is_plain(const PickleValue& value) {
    return value.kind == PickleKind::kBool || value.kind == PickleKind::kInteger || value.kind == PickleKind::kFloat;
  }
  static std::string plain_text(const PickleValue& value) {
    if (value.kind == PickleKind::kBool) return value.integer() != 0 ? "true" : "false";
    return value.kind == PickleKind::kFloat ? format_double(value.real()) : std::to_string(value.integer());
  }

  /// A module's parameters, buffers and children have names of their own level, as in its state dict.
  void visit_object(PickleId state, int depth, bool tensors) {
    if (state == kNoValue || tree_[state].kind != PickleKind::kDictionary) return;
    count_values(tree_.items_of(tree_[state]).size());
    const PickleId parameters = tree_.find(state, "_parameters");
    if (parameters != kNoValue && tensors) {
      visit_members(parameters, kNoValue, depth);
      visit_members(tree_.find(state, "_buffers"), tree_.find(state, "_non_persistent_buffers_set"), depth);
      visit_members(tree_.find(state, "_modules"), kNoValue, depth);
    }
    const std::span<const PickleId> pairs = tree_.items_of(tree_[state]);
    for (std::size_t i = 0; i < pairs.size(); i += 2) {
      const std::string_view name = tree_.text_of(tree_[pairs[i]]);
      if (!name.starts_with("_")) visit_below(name, pairs[i + 1], depth, false);
    }
  }

  void visit_members(PickleId dictionary, PickleId without, int depth) {
    if (dictionary == kNoValue || tree_[dictionary].kind != PickleKind::kDictionary) return;
    std::set<std::string_view> left_out;
    if (without != kNoValue) {
      count_values(tree_.items_of(tree_[without]).size());
      for (const PickleId item : tree_.items_of(tree_[without]))
        if (tree_[item].kind == PickleKind::kText) left_out.insert(tree_.text_of(tree_[item]));
    }
    const std::span<const PickleId> pairs = tree_.items_of(tree_[dictionary]);
    count_values(pairs.size());
    for (std::size_t i = 0; i < pairs.size(); i += 2) {
      const std::string key = key_of(tree_[pairs[i]]);
      if (!left_out.contains(key)) visit_below(key, pairs[i + 1], depth, true);
    }
  }

  void add_tensor(const TorchTensor& tensor) {
    if (has_control_characters(path_)) refuse("a tensor's name has control characters: '" + printable(path_) + "'");
    if (!names_.insert(path_).second) refuse("two of its tensors are named '" + printable(path_) + "'");
    TorchView view{tree_.integers_of(tensor.size), tree_.integers_of(tensor.stride), tensor.offset, tensor.type};
    const std::uint64_t bytes = laid_out_bytes(view);
    if (__builtin_add_overflow(total_bytes_, bytes, &total_bytes_) || total_bytes_ > most_bytes_) {
      refuse("its tensors up to '" + printable(path_) + "', laid out, take more than twice the file and 128 MiB");
    }
    count_span(view);
    charge(2 * path_.size() + 3 * sizeof(std::int64_t) * view.size.size());
    found_.tensors.push_back({path_, view.type, view.size, bytes});
    found_.views.push_back({std::move(view), tensor.storage});
  }

  /// What has gaps is read with them.
  void count_span(const TorchView& view) {
    constexpr std::uint64_t kMostReading = 8;  // times what all tensors may take
    if (is_contiguous(view)) return;
    const std::uint64_t bytes = storage_range(view).bytes;
    if (__builtin_add_overflow(spanned_bytes_, bytes, &spanned_bytes_) || spanned_bytes_ / kMostReading > most_bytes_)
      refuse("its tensors up to '" + printable(path_) + "' repeat the same storage again and again, with gaps");
  }

  void add_text(const PickleValue& value) {
    if (value.kind == PickleKind::kText) {
      charge(path_.size() + value.second());
      found_.metadata[path_] = tree_.text_of(value);
    } else if (is_plain(value)) {
      charge(path_.size());
      found_.metadata[path_] = plain_text(value);
    }
  }

  void charge(std::uint64_t bytes) {
    text_bytes_ += bytes + kEntryBytes;
    if (text_bytes_ > kMostText) refuse("its names and texts take more than 64 MiB");
  }

  const PickleTree& tree_;
  const std::uint64_t most_bytes_;
  const std::string& file_;
  std::string path_;
  std::uint64_t visits_ = 0, total_bytes_ = 0, spanned_bytes_ = 0, text_bytes_ = 0;
  std::set<std::string> names_;
  WalkedWeights found_;
};

}  // namespace

WalkedWeights walk_weights(const PickleTree& tree, PickleId root, std::uint64_t most_bytes, const std::string& file) {
  WeightWalker walker(tree, most_bytes, file);
  walker.visit(root, 0, true);
  return walker.take();
}

}  // namespace rtdetr
