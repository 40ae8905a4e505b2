#include "core/weights/flat_json.h"

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/io/file.h"
#include "core/io/json_reader.h"
#include "core/io/read_only_file.h"
#include "core/io/utf8.h"

namespace rtdetr {
namespace {

constexpr std::uint64_t kLargestFile = std::uint64_t{8} << 20;
constexpr std::size_t kMostPathBytes = std::size_t{64}
                                       << 20;  // of all paths together: nested keys repeat their parents

class Flattener {
 public:
  Flattener(std::string_view text, std::string name) : json_(text, std::move(name)) {}

  FileMetadata whole() {
    take("", json_.next());
    if (json_.next() != JsonReader::Token::kEnd) json_.fail("something follows the value");
    return std::move(entries_);
  }

 private:
  using Token = JsonReader::Token;

  /// Takes the value that `first` began. As deep as JsonReader lets a text be.
  void take(const std::string& path, Token first) {
    switch (first) {
      case Token::kBeginObject:
        for (Token token = json_.next(); token == Token::kKey; token = json_.next()) {
          const std::string below = join_path(path, text());
          take(below, json_.next());
        }
        break;
      case Token::kBeginArray: {
        std::size_t index = 0;
        for (Token token = json_.next(); token != Token::kEndArray; token = json_.next())
          take(join_path(path, std::to_string(index++)), token);
        break;
      }
      case Token::kString:
        keep(path, text());
        break;
      case Token::kNumber:
        keep(path, std::string(json_.text()));
        break;
      case Token::kTrue:
      case Token::kFalse:
        keep(path, first == Token::kTrue ? "true" : "false");
        break;
      default:
        break;
    }
  }

  std::string text() const {
    if (!is_utf8(json_.text())) json_.fail("a text is not in UTF-8");
    return std::string(json_.text());
  }

  std::string join_path(const std::string& path, const std::string& name) {
    std::string joined = path.empty() ? name : path + "." + name;
    path_bytes_ += joined.size();
    if (path_bytes_ > kMostPathBytes) json_.fail("too many long names, one inside the other");
    return joined;
  }

  void keep(const std::string& path, std::string value) {
    if (!entries_.emplace(path, std::move(value)).second) json_.fail("'" + excerpt(path) + "' is there twice");
  }

  JsonReader json_;
  FileMetadata entries_;
  std::size_t path_bytes_ = 0;
};

}  // namespace

FileMetadata flat_json(const std::filesystem::path& file) {
  if (ReadOnlyFile(file).size() > kLargestFile)
    throw CheckpointError(file.string() + ": is larger than the 8 MiB that such a file has; it was not read");
  const std::string content = read_text_file(file, kLargestFile);
  try {
    return Flattener(content, file.string()).whole();
  } catch (const DataError& error) {
    throw CheckpointError(error.what());
  }
}

}  // namespace rtdetr
