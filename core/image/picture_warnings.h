#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace rtdetr {

/// Gathers what decoders found odd in pictures that were read whole (Picture::warnings in picture.h), to be said in one
/// line for each kind. Not for several threads at once.
class PictureWarnings {
 public:
  void add(const std::filesystem::path& file, const std::vector<std::string>& warnings);

  /// Logs "3 pictures are read whole, though their decoder warns: extraneous bytes before a marker (a.jpg, …)". What
  /// was logged in the same words before, here or by another, is not said again: a set is evaluated many times in a
  /// run.
  void report() const;

 private:
  struct Kind {
    std::int64_t count = 0;
    std::string first;
  };
  std::map<std::string, Kind> kinds_;
};

}  // namespace rtdetr
