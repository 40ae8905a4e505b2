#include "train/report/text_layout.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/text.h"

namespace rtdetr {

std::size_t output_width() {
  constexpr std::size_t kLeast = 40, kUsual = 80;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return std::max<std::size_t>(kLeast, size.ws_col);
  const char* columns = std::getenv("COLUMNS");
  const auto named = columns ? parse_integer(columns) : std::nullopt;
  return named && *named > 0 ? std::max(kLeast, static_cast<std::size_t>(*named)) : kUsual;
}

std::size_t width_of(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; });
}

std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
  std::string out, line;
  for (const std::string& word : split(text, ' ')) {
    if (!line.empty() && indent + width_of(line) + 1 + width_of(word) > width) {
      out += line + "\n" + std::string(indent, ' ');
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return out + line;
}

void TextTable::add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> TextTable::widths(const std::vector<Line>& lines) const {
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const Line& line : lines)
    for (std::size_t c = 0; c < widths.size(); ++c) widths[c] = std::max(widths[c], width_of(line[c]));
  return widths;
}

/// The first column and those from `first` up to `last`; a last one of text is broken before `width`.
std::string TextTable::block(const std::vector<Line>& lines, std::size_t first, std::size_t last,
                             std::size_t width) const {
  const std::vector<std::size_t> widths = this->widths(lines);
  std::string text;
  for (const Line& line : lines) {
    std::string row;
    for (std::size_t c = 0; c < last; ++c) {
      if (c > 0 && c < first) continue;
      const std::string padding(widths[c] - width_of(line[c]), ' ');
      const bool left = columns_[c].align == Align::kLeft;
      const std::string cell = left && c + 1 == last ? wrapped(line[c], width_of(row) + 2, width) : line[c];
      row += left ? "  " + cell + padding : "  " + padding + cell;
    }
    text += row.substr(0, row.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string TextTable::text(std::size_t width) const {
  constexpr std::size_t kLeastText = 20;  // a narrower column is not broken
  std::vector<Line> lines(1);
  for (const Column& column : columns_) lines.front().push_back(column.title);
  lines.insert(lines.end(), rows_.begin(), rows_.end());

  const std::vector<std::size_t> widths = this->widths(lines);
  const std::size_t count = widths.size();
  const auto needed = [&](std::size_t c) {
    const bool breaks = c + 1 == count && columns_[c].align == Align::kLeft;
    return 2 + (breaks ? std::min(widths[c], kLeastText) : widths[c]);
  };
  std::string text;
  for (std::size_t first = 1, last = 1; text.empty() || first < count; first = last) {
    std::size_t used = 2 + widths[0];
    for (last = first; last < count && (last == first || used + needed(last) <= width); ++last) used += needed(last);
    text += (text.empty() ? "" : "\n") + block(lines, first, last, width);
  }
  return text;
}

}  // namespace rtdetr
