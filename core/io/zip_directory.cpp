#include "core/io/zip_directory.h"

#include <sys/stat.h>

#include <algorithm>
#include <span>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/utf8.h"

namespace rtdetr {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kRecordBytes = 46;
constexpr std::uint64_t kMostEntries = 100'000;
constexpr std::uint64_t kLargestDirectory = std::uint64_t{32} << 20;
constexpr std::size_t kLongestEntryName = 1024;
constexpr std::uint64_t kFull16 = 0xFFFF, kFull32 = 0xFFFFFFFF;

/// A field of the old end record holds the zip64 one's value, or nothing but ones.
void check_agreement(std::uint64_t old_field, std::uint64_t full, std::uint64_t value, const std::string& file) {
  if (old_field != full && old_field != value) refuse_zip(file, "its two end records contradict each other");
}

/// The zip64 end record in front of the locator, which in turn lies in front of `old`.
ZipExtent read_end64(const ReadOnlyFile& file, std::string_view old, std::string_view locator) {
  const std::uint64_t before = file.size() - kEndBytes - kLocatorBytes;
  if (before < kEnd64Bytes || zip_number(locator, 8, 8) != before - kEnd64Bytes || zip_number(locator, 4, 4) != 0 ||
      zip_number(locator, 16, 4) > 1) {
    refuse_zip(file.name(), "its zip64 end record is not where its locator says");
  }
  const std::string end = read_zip_bytes(file, before - kEnd64Bytes, kEnd64Bytes);
  if (!end.starts_with("PK\x06\x06") || zip_number(end, 4, 8) != kEnd64Bytes - 12 || zip_number(end, 16, 8) != 0 ||
      zip_number(end, 24, 8) != zip_number(end, 32, 8)) {
    refuse_zip(file.name(), "its zip64 end record is damaged");
  }
  const ZipExtent extent{zip_number(end, 48, 8), zip_number(end, 40, 8), zip_number(end, 32, 8)};
  check_agreement(zip_number(old, 10, 2), kFull16, extent.count, file.name());
  check_agreement(zip_number(old, 12, 4), kFull32, extent.size, file.name());
  check_agreement(zip_number(old, 16, 4), kFull32, extent.begin, file.name());
  return extent;
}

void check_extent(const ZipExtent& extent, std::uint64_t end, const std::string& file) {
  if (extent.begin > end || extent.size != end - extent.begin)
    refuse_zip(file, "its directory does not end where its end record begins; something was put before or between");
  if (extent.count > kMostEntries) refuse_zip(file, "it has more than " + with_thousands(kMostEntries) + " entries");
  if (extent.size > kLargestDirectory || extent.size < extent.count * kRecordBytes)
    refuse_zip(file, "its directory of " + std::to_string(extent.size) + " bytes does not fit its " +
                         std::to_string(extent.count) + " entries");
}

/// Only plain relative names: the file cannot speak of anything outside itself.
void check_name(std::string_view name, const std::string& file) {
  const auto refuse = [&](const char* why) { refuse_zip(file, "its entry '" + printable(name) + "' " + why); };
  if (name.empty() || name.size() > kLongestEntryName) refuse("has an empty or too long name");
  if (!is_utf8(name) || name.find_first_of("\\\0"sv) != name.npos) refuse("has a name with forbidden characters");
  for (const std::string& part : split(name, '/'))
    if (part.empty() || part == "." || part == "..") refuse("has a name that is no plain relative path");
}

/// Takes 8 bytes off the front of a zip64 field.
std::uint64_t take(std::string_view& field, const std::string& file) {
  if (field.size() < 8) refuse_zip(file, "a zip64 field is too short");
  const std::uint64_t value = zip_number(field, 0, 8);
  field.remove_prefix(8);
  return value;
}

/// The zip64 field holds, in this order, those of the two sizes and the offset that are all ones in the entry.
void read_field64(std::string_view field, ZipRecord& record, const std::string& file) {
  if (record.entry.size == kFull32) {
    record.entry.size = take(field, file);
    if (take(field, file) != record.entry.size) refuse_zip(file, "an entry has two sizes, though it is not compressed");
  }
  if (record.header_at == kFull32) record.header_at = take(field, file);
  if (!field.empty()) refuse_zip(file, "a zip64 field is too long");
}

void read_extra(std::string_view extra, ZipRecord& record, const std::string& file) {
  const bool wanted = record.entry.size == kFull32 || record.header_at == kFull32;
  bool seen = false;
  while (!extra.empty()) {
    const std::size_t length = extra.size() < 4 ? extra.size() : zip_number(extra, 2, 2);
    if (extra.size() < 4 || length > extra.size() - 4) refuse_zip(file, "an extra field is longer than its entry");
    if (zip_number(extra, 0, 2) == 1) {
      if (seen) refuse_zip(file, "an entry has two zip64 fields");
      seen = true;
      read_field64(extra.substr(4, length), record, file);
    }
    extra.remove_prefix(4 + length);
  }
  if (wanted && !seen) refuse_zip(file, "a zip64 field is missing");
}

void check_kind(std::string_view header, const std::string& name, const std::string& file) {
  const auto refuse = [&](const std::string& why) { refuse_zip(file, "its entry '" + printable(name) + "' " + why); };
  const std::uint64_t flags = zip_number(header, 8, 2), method = zip_number(header, 10, 2),
                      mode = zip_number(header, 38, 4) >> 16;
  if ((flags & 1) != 0) refuse("is encrypted");
  if ((flags & ~std::uint64_t{kZipDescriptor | kZipUtf8Name}) != 0) refuse("has unknown flags");
  if (method != 0)
    refuse("is compressed (method " + std::to_string(method) +
           "); PyTorch stores weights as they are, and compresses only the code of a TorchScript archive, a program");
  if (zip_number(header, 20, 4) != zip_number(header, 24, 4)) refuse("has two sizes, though it is not compressed");
  if (zip_number(header, 34, 2) != 0) refuse("lies on another disk");
  const bool regular = (mode & S_IFMT) == 0 || S_ISREG(mode);
  if (!regular || (zip_number(header, 38, 4) & 0x10) != 0) refuse("is not a regular file");
}

}  // namespace

void refuse_zip(const std::string& file, const std::string& message) {
  throw CheckpointError("'" + file + "' is not a sound zip archive of PyTorch's: " + message);
}

std::string read_zip_bytes(const ReadOnlyFile& file, std::uint64_t at, std::size_t count) {
  if (at > file.size() || count > file.size() - at)
    refuse_zip(file.name(), "a part of it lies behind the end of the file; it is cut off or damaged");
  std::string bytes(count, '\0');
  file.read(at, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

ZipExtent find_zip_directory(const ReadOnlyFile& file) {
  if (file.size() < kEndBytes) refuse_zip(file.name(), "it is too short to be one");
  const std::string end = read_zip_bytes(file, file.size() - kEndBytes, kEndBytes);
  if (!end.starts_with("PK\x05\x06") || zip_number(end, 20, 2) != 0)
    refuse_zip(file.name(), "its last bytes are not an end record; it is cut off, or something was put behind it");
  if (zip_number(end, 4, 4) != 0 || zip_number(end, 8, 2) != zip_number(end, 10, 2))
    refuse_zip(file.name(), "it is one of several parts");
  std::uint64_t limit = file.size() - kEndBytes;
  ZipExtent extent{zip_number(end, 16, 4), zip_number(end, 12, 4), zip_number(end, 10, 2)};
  std::string locator;
  if (limit >= kLocatorBytes) locator = read_zip_bytes(file, limit - kLocatorBytes, kLocatorBytes);
  if (locator.starts_with("PK\x06\x07")) {
    extent = read_end64(file, end, locator);
    limit -= kLocatorBytes + kEnd64Bytes;
  }
  check_extent(extent, limit, file.name());
  return extent;
}

std::vector<ZipRecord> parse_zip_directory(std::string_view text, std::uint64_t count, const std::string& file) {
  std::vector<ZipRecord> records;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (text.size() < kRecordBytes || !text.starts_with("PK\x01\x02"))
      refuse_zip(file, "entry " + std::to_string(i) + " of its directory is damaged");
    const std::size_t name = zip_number(text, 28, 2), extra = zip_number(text, 30, 2),
                      comment = zip_number(text, 32, 2);
    const std::size_t length = kRecordBytes + name + extra + comment;
    if (length > text.size()) refuse_zip(file, "entry " + std::to_string(i) + " of its directory is cut off");
    ZipRecord& record = records.emplace_back();
    record.entry.name = text.substr(kRecordBytes, name);
    check_name(record.entry.name, file);
    check_kind(text, record.entry.name, file);
    record.flags = static_cast<std::uint16_t>(zip_number(text, 8, 2));
    record.entry.crc = static_cast<std::uint32_t>(zip_number(text, 16, 4));
    record.entry.size = zip_number(text, 24, 4);
    record.header_at = zip_number(text, 42, 4);
    read_extra(text.substr(kRecordBytes + name, extra), record, file);
    text.remove_prefix(length);
  }
  if (!text.empty()) refuse_zip(file, "its directory is longer than its entries");
  return records;
}

}  // namespace rtdetr
