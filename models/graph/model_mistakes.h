#pragma once

#include <string>
#include <utility>
#include <vector>

namespace rtdetr {

/// Mistakes of one model file, collected to be shown together.
class ModelMistakes {
 public:
  explicit ModelMistakes(std::string origin) : origin_(std::move(origin)) {}

  /// file:line: what was expected. Of a row, `what` begins with its row_label.
  void add(int line, const std::string& what);
  /// @throws ModelError  with every mistake on a line of its own, in file order, if there is one
  void throw_if_any() const;

 private:
  std::string origin_;
  std::vector<std::pair<int, std::string>> messages_;
};

}  // namespace rtdetr
