#include "data/formats/csv_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

constexpr std::size_t kWindow = std::size_t{1} << 16;
constexpr std::size_t kLongestRecord = std::size_t{1} << 24;
constexpr int kEnd = -1;

}  // namespace

CsvReader::CsvReader(const std::filesystem::path& file)
    : name_(file.string()), file_(std::fopen(file.c_str(), "rb")), window_(kWindow) {
  if (!file_) throw IoError(name_ + ": cannot be opened: " + std::strerror(errno));
  get();
  const std::string_view start(window_.data(), end_);
  if (const std::string_view encoding = wide_encoding(start); !encoding.empty()) fail(wide_encoding_hint(encoding));
  if (start.find('\0') != std::string_view::npos) fail("is no text");
  at_ = start.size() - without_byte_order_mark(start).size();
  const std::string_view first = start.substr(at_, start.substr(at_).find('\n'));
  if (first.find(',') == std::string_view::npos) {
    separator_ = first.find(';') != std::string_view::npos    ? ';'
                 : first.find('\t') != std::string_view::npos ? '\t'
                                                              : ',';
  }
  if (!read_record()) return;
  for (const std::string& name : fields()) header_.emplace_back(trim(name));
}

std::optional<std::size_t> CsvReader::column(std::string_view name) const {
  const auto found = std::find_if(header_.begin(), header_.end(),
                                  [&](const std::string& h) { return lower_case(h) == lower_case(name); });
  if (found == header_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - header_.begin());
}

bool CsvReader::next() {
  do {
    if (!read_record()) return false;
  } while (count_ == 1 && fields_[0].empty() && header_.size() > 1);
  if (count_ == header_.size()) return true;
  fail("the record has " + counted(static_cast<long long>(count_), "field") + ", the header " +
       std::to_string(header_.size()));
}

/// The next byte, which stays; kEnd behind the last.
int CsvReader::get() {
  if (at_ == end_) {
    at_ = 0;
    end_ = std::fread(window_.data(), 1, window_.size(), file_.get());
    if (std::ferror(file_.get())) throw IoError(name_ + ": cannot be read: " + std::strerror(errno));
    if (end_ == 0) return kEnd;
  }
  return static_cast<unsigned char>(window_[at_]);
}

bool CsvReader::read_record() {
  count_ = 0;
  record_bytes_ = 0;
  record_line_ = line_;
  if (get() == kEnd) return false;
  while (read_field()) {
  }
  return true;
}

/// Whether another field of the record follows.
bool CsvReader::read_field() {
  if (count_ == fields_.size()) fields_.emplace_back();
  std::string& field = fields_[count_++];
  field.clear();
  bool quoted = false, was_quoted = false;
  for (;;) {
    const int c = get();
    if (c == kEnd) {
      if (quoted) fail("a quote is not closed");
      break;
    }
    ++at_;
    if (++record_bytes_ > kLongestRecord) fail("the record is longer than 16 MiB; is a quote not closed?");
    line_ += c == '\n';
    if (quoted) {
      if (c != '"') {
        field += static_cast<char>(c);
      } else if (get() == '"') {
        ++at_;
        field += '"';
      } else {
        quoted = false;
      }
    } else if (c == '"' && !was_quoted && trim(field).empty()) {
      field.clear();
      quoted = was_quoted = true;
    } else if (c == separator_ || c == '\n') {
      if (!was_quoted) field = std::string(trim(field));
      return c == separator_;
    } else if (!was_quoted || (c != '\r' && c != ' ')) {
      field += static_cast<char>(c);
    }
  }
  if (!was_quoted) field = std::string(trim(field));
  return false;
}

void CsvReader::fail(const std::string& message) const {
  throw DataError(name_ + ":" + std::to_string(record_line_) + ": " + message);
}

}  // namespace rtdetr
