#include "data/dataset/missing_pictures.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "core/base/text.h"
#include "core/image/picture_names.h"
#include "data/dataset/dataset_build.h"

/// A name on disk is compared with the wanted one in four ways, from the same to the least alike, first where it was
/// wanted, then in the folders around. What is found is only told, never used: a picture of nearly the right name may
/// be another one.
namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostLookedFor = 1000;

/// Characters that join the one before: combining accents, voiced sound marks, vowels and finals of Hangul.
bool joins(char32_t c) {
  return (c >= 0x300 && c <= 0x36F) || c == 0x3099 || c == 0x309A || (c >= 0x1160 && c <= 0x11FF);
}

struct Sketch {
  std::string text;  ///< every letter outside ASCII as one '?', whether it is in one piece or several
  bool pieces = false;
};

/// @param name  UTF-8; of other text no sketch means anything, and none harms
Sketch sketch_of(const std::string& name) {
  Sketch sketch;
  for (std::size_t i = 0; i < name.size();) {
    const auto byte = static_cast<unsigned char>(name[i]);
    const std::size_t length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    char32_t character = byte < 0x80 ? byte : byte & (0x7Fu >> length);
    for (std::size_t k = 1; k < length && i + k < name.size(); ++k) {
      character = character << 6 | (static_cast<unsigned char>(name[i + k]) & 0x3Fu);
    }
    i += length;
    if (joins(character) && !sketch.text.empty()) {
      sketch.text.back() = '?';
      sketch.pieces = true;
    } else {
      sketch.text += byte < 0x80 ? name[i - 1] : '?';
    }
  }
  return sketch;
}

enum Reason : std::size_t { kFolder, kSlashes, kPieces, kCase, kSuffix, kReasons };

constexpr std::array<const char*, kReasons> kWords{
    "in another folder", "there with '/' where the name has '\\'",
    "there with accents or syllables in pieces, as macOS stores names (convmv --nfc joins them)",
    "there in another letter case", "there with another suffix"};

/// The pictures of one folder, and the folders in it.
struct Listing {
  std::set<std::string> names;
  std::map<std::string, std::string> by_lower, by_stem, by_sketch;  ///< name by what it is compared by
  std::vector<fs::path> folders;

  explicit Listing(const fs::path& folder) {
    std::error_code fault;
    for (fs::directory_iterator at(folder, fault), end; !fault && at != end; at.increment(fault)) {
      std::error_code ignored;
      if (at->is_directory(ignored)) folders.push_back(at->path());
      if (has_picture_extension(at->path())) add(at->path().filename().string());
    }
    std::sort(folders.begin(), folders.end());
  }

  std::optional<std::pair<Reason, std::string>> find(const std::string& wanted) const {
    if (names.contains(wanted)) return std::pair{kFolder, wanted};
    const Sketch sketch = sketch_of(wanted);
    if (const auto at = by_sketch.find(sketch.text); at != by_sketch.end()) {
      if (sketch_of(at->second).pieces != sketch.pieces) return std::pair{kPieces, at->second};
    }
    if (const auto at = by_lower.find(lower_case(wanted)); at != by_lower.end()) return std::pair{kCase, at->second};
    const std::string stem = has_picture_extension(wanted) ? fs::path(wanted).stem().string() : wanted;
    if (const auto at = by_stem.find(lower_case(stem)); at != by_stem.end()) return std::pair{kSuffix, at->second};
    return std::nullopt;
  }

 private:
  void add(const std::string& name) {
    names.insert(name);
    by_lower.emplace(lower_case(name), name);
    by_stem.emplace(lower_case(fs::path(name).stem().string()), name);
    by_sketch.emplace(sketch_of(name).text, name);
  }
};

class Search {
 public:
  void look_for(const fs::path& picture) {
    std::string name = picture.filename().string();
    const auto slash = name.rfind('\\');
    if (slash != std::string::npos) name.erase(0, slash + 1);
    for (const fs::path& folder : folders_around(picture)) {
      auto found = listing(folder).find(name);
      if (!found) continue;
      if (slash != std::string::npos && found->first == kFolder) found->first = kSlashes;
      Count& count = counts_[found->first];
      if (count.pictures++ == 0) {
        count.example = "'" + picture.filename().string() + "' as " + (folder / found->second).string();
      }
      return;
    }
  }

  std::string text() const {
    std::vector<std::string> parts;
    for (std::size_t reason = 0; reason < kReasons; ++reason) {
      const Count& count = counts_[reason];
      if (count.pictures == 0) continue;
      parts.push_back(with_thousands(count.pictures) + (count.pictures == 1 ? " is " : " are ") + kWords[reason] +
                      " (" + count.example + ")");
    }
    return parts.empty() ? "" : "; " + join(parts, ", ");
  }

 private:
  struct Count {
    std::int64_t pictures = 0;
    std::string example;
  };

  const Listing& listing(const fs::path& folder) { return listings_.try_emplace(folder, folder).first->second; }

  /// The folder itself, those with one part of its path less ("images/images"), and those in it.
  std::vector<fs::path> folders_around(const fs::path& picture) {
    const fs::path own = picture.parent_path();
    std::vector<fs::path> folders{own};
    const std::vector<fs::path> parts(own.begin(), own.end());
    for (std::size_t left_out = parts.size(); left_out-- > 0;) {
      fs::path shorter;
      for (std::size_t i = 0; i < parts.size(); ++i) shorter /= i == left_out ? fs::path() : parts[i];
      if (std::error_code ignored; fs::is_directory(shorter, ignored)) folders.push_back(shorter);
    }
    const std::vector<fs::path>& below = listing(own).folders;
    folders.insert(folders.end(), below.begin(), below.end());
    return folders;
  }

  std::map<fs::path, Listing> listings_;
  std::array<Count, kReasons> counts_;
};

}  // namespace

std::string whereabouts_of_missing(const Dataset& dataset) {
  Search search;
  std::size_t looked_for = 0;
  for (const auto& picture : dataset.pictures) {
    if (picture.readable || is_file(picture.file)) continue;
    if (++looked_for > kMostLookedFor) break;
    search.look_for(picture.file);
  }
  return search.text();
}

}  // namespace rtdetr
