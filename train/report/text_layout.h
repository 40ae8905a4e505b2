#pragma once

#include <string>
#include <vector>

/// How text for people is broken into lines and columns.
namespace rtdetr {

/// Columns of the terminal that stdout is, else $COLUMNS, else 80; at least 40.
std::size_t output_width();
/// Letters on the screen: bytes that do not continue a UTF-8 sequence.
std::size_t width_of(const std::string& text);
/// `text` broken between words before column `width`; lines after the first begin with `indent` spaces.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width = output_width());

/// Columns that line up: text to the left, numbers to the right.
class TextTable {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kRight;
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells);
  /// With a line feed after every row; two spaces before each column. What is wider than `width` is fitted: a last
  /// column of text is broken between words, other columns go into further blocks that begin with the first column.
  std::string text(std::size_t width = output_width()) const;

 private:
  using Line = std::vector<std::string>;
  std::vector<std::size_t> widths(const std::vector<Line>& lines) const;
  std::string block(const std::vector<Line>& lines, std::size_t first, std::size_t last, std::size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace rtdetr
