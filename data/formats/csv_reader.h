#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rtdetr {

/// A table with a header, record by record: RFC 4180, with quotes, quoted line breaks and either line end. The fields
/// are parted by commas, or, where the header has none, by semicolons or tabs, as spreadsheets write them. Memory is
/// that of one record, whose length is limited.
class CsvReader {
 public:
  /// Reads the header. @throws IoError; DataError  if it is UTF-16 or no text
  explicit CsvReader(const std::filesystem::path& file);

  /// Names of the columns, without white space around them.
  std::span<const std::string> header() const { return header_; }
  /// Where the column is, whatever its case.
  std::optional<std::size_t> column(std::string_view name) const;

  /// Goes to the next record that is not empty; false at the end.
  /// @throws DataError  with file and line: a quote that is not closed, a record of another length than the header, or
  /// of
  ///                    more than 16 MiB; IoError
  bool next();
  /// Of the record, as many as the header has; with white space around unquoted ones left out.
  std::span<const std::string> fields() const { return {fields_.data(), count_}; }
  std::string_view field(std::size_t column) const { return fields_[column]; }
  /// Of the record's first line, from 1.
  std::int64_t line() const { return record_line_; }
  const std::string& name() const { return name_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  int get();
  bool read_record();
  bool read_field();
  [[noreturn]] void fail(const std::string& message) const;

  std::string name_;
  std::unique_ptr<std::FILE, Close> file_;
  std::vector<char> window_;
  std::size_t at_ = 0, end_ = 0;
  char separator_ = ',';
  std::int64_t line_ = 1, record_line_ = 1;
  std::size_t record_bytes_ = 0;
  std::vector<std::string> fields_;  ///< the first count_ are the record's: their memory is used again
  std::size_t count_ = 0;
  std::vector<std::string> header_;
};

}  // namespace rtdetr
