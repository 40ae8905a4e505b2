#include "core/io/zip_file.h"

#include <zlib.h>

#include <algorithm>
#include <span>

#include "core/base/error.h"
#include "core/io/utf8.h"
#include "core/io/zip_directory.h"

namespace rtdetr {
namespace {

constexpr std::size_t kZipChunk = std::size_t{1} << 20;

[[noreturn]] void refuse_entry(const ReadOnlyFile& file, const std::string& name, const std::string& why) {
  refuse_zip(file.name(), "its entry '" + printable(name) + "' " + why);
}

/// Reads the header in front of the entry's bytes; it must say what the directory says.
void find_bytes(const ReadOnlyFile& file, ZipRecord& record) {
  const std::string& name = record.entry.name;
  const std::string header = read_zip_bytes(file, record.header_at, kZipLocalBytes);
  if (!header.starts_with("PK\x03\x04")) refuse_entry(file, name, "does not lie where the directory says");
  if (zip_number(header, 6, 2) != record.flags || zip_number(header, 8, 2) != 0 ||
      zip_number(header, 26, 2) != name.size() ||
      read_zip_bytes(file, record.header_at + kZipLocalBytes, name.size()) != name) {
    refuse_entry(file, name, "has another name or kind in front of its bytes than in the directory");
  }
  const bool later = (record.flags & kZipDescriptor) != 0;
  const auto agrees = [&](std::size_t at, std::uint64_t value, bool may_be_full) {
    const std::uint64_t stored = zip_number(header, at, 4);
    return stored == value || (later && stored == 0) || (may_be_full && value >= 0xFFFFFFFF && stored == 0xFFFFFFFF);
  };
  if (!agrees(14, record.entry.crc, false) || !agrees(18, record.entry.size, true) ||
      !agrees(22, record.entry.size, true)) {
    refuse_entry(file, name, "has another sum or size in front of its bytes than in the directory");
  }
  record.entry.offset = record.header_at + kZipLocalBytes + name.size() + zip_number(header, 28, 2);
  if (record.entry.offset > file.size() || record.entry.size > file.size() - record.entry.offset)
    refuse_entry(file, name, "reaches behind the end of the file");
}

/// Sum and sizes behind the entry's bytes, up to `end`.
void check_descriptor(const ReadOnlyFile& file, const ZipRecord& record, std::uint64_t end) {
  const std::uint64_t begin = record.entry.offset + record.entry.size;
  const std::uint64_t length = end < begin ? 0 : end - begin;
  if (length != 16 && length != 24) refuse_entry(file, record.entry.name, "is not followed by its data descriptor");
  const std::string text = read_zip_bytes(file, begin, length);
  const std::size_t width = length == 16 ? 4 : 8;
  if (!text.starts_with("PK\x07\x08") || zip_number(text, 4, 4) != record.entry.crc ||
      zip_number(text, 8, width) != record.entry.size || zip_number(text, 8 + width, width) != record.entry.size) {
    refuse_entry(file, record.entry.name, "has another sum or size behind its bytes than in the directory");
  }
}

/// Every byte before the directory belongs to one entry: nothing overlaps, hides or is missing.
void check_tiling(const ReadOnlyFile& file, std::span<const ZipRecord> records, std::uint64_t directory) {
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const ZipRecord& record = records[i];
    const std::uint64_t end = i + 1 < records.size() ? records[i + 1].header_at : directory;
    if (record.header_at != at) refuse_entry(file, record.entry.name, "does not begin where the one before it ends");
    if ((record.flags & kZipDescriptor) != 0)
      check_descriptor(file, record, end);
    else if (record.entry.offset + record.entry.size != end)
      refuse_entry(file, record.entry.name, "does not end where the next one begins");
    at = end;
  }
  if (at != directory) refuse_zip(file.name(), "there are bytes in front of its directory that belong to no entry");
}

void refuse_twins(const std::vector<ZipRecord>& records, const std::string& file) {
  std::vector<const std::string*> names;
  for (const ZipRecord& record : records) names.push_back(&record.entry.name);
  std::sort(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a < *b; });
  const auto twin =
      std::adjacent_find(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a == *b; });
  if (twin != names.end()) refuse_zip(file, "two entries are named '" + printable(**twin) + "'");
}

void check_sum(const ReadOnlyFile& file, const ZipEntry& entry, uLong crc) {
  if (crc != entry.crc)
    refuse_entry(file, entry.name, "does not match its sum (CRC-32); the file is damaged, fetch it again");
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(const ReadOnlyFile& file) {
  const ZipExtent extent = find_zip_directory(file);
  const std::string text = read_zip_bytes(file, extent.begin, extent.size);
  std::vector<ZipRecord> records = parse_zip_directory(text, extent.count, file.name());
  refuse_twins(records, file.name());
  std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) { return a.header_at < b.header_at; });
  for (ZipRecord& record : records) find_bytes(file, record);
  check_tiling(file, records, extent.begin);
  std::vector<ZipEntry> entries;
  for (ZipRecord& record : records) entries.push_back(std::move(record.entry));
  return entries;
}

std::string read_zip_entry(const ReadOnlyFile& file, const ZipEntry& entry) {
  std::string bytes = read_zip_bytes(file, entry.offset, entry.size);
  check_sum(file, entry, crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  return bytes;
}

void verify_zip_entry(const ReadOnlyFile& file, const ZipEntry& entry) {
  std::string chunk(std::min<std::uint64_t>(kZipChunk, entry.size), '\0');
  uLong crc = 0;
  for (std::uint64_t done = 0; done < entry.size;) {
    const std::size_t count = std::min<std::uint64_t>(chunk.size(), entry.size - done);
    file.read(entry.offset + done, std::as_writable_bytes(std::span(chunk)).first(count));
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(chunk.data()), count);
    done += count;
  }
  check_sum(file, entry, crc);
}

}  // namespace rtdetr
