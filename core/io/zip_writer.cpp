#include "core/io/zip_writer.h"

#include <zlib.h>

#include "core/base/check.h"
#include "core/io/zip_directory.h"

namespace rtdetr {
namespace {

constexpr std::size_t kZipExtraBytes = 4;
constexpr std::uint64_t kFirstDay = 1 << 5 | 1;  // of January 1980: the archive does not depend on the time

/// Flags to length of the name: what the header in front of an entry and its line in the directory have in common.
std::string common_part(const std::string& name, std::span<const std::byte> bytes) {
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  return little_endian_text(kZipUtf8Name, 2) + little_endian_text(0, 2) + little_endian_text(0, 2) +
         little_endian_text(kFirstDay, 2) + little_endian_text(crc, 4) + little_endian_text(bytes.size(), 4) +
         little_endian_text(bytes.size(), 4) + little_endian_text(name.size(), 2);
}

/// An extra field that moves the bytes behind it to a multiple of the alignment, as PyTorch's writer calls and fills
/// it.
std::string padding_field(std::uint64_t end_of_name, std::size_t alignment) {
  if (alignment <= 1) return "";
  const std::uint64_t padding = (alignment - (end_of_name + kZipExtraBytes) % alignment) % alignment;
  return "FB" + little_endian_text(padding, 2) + std::string(padding, 'Z');
}

}  // namespace

void ZipWriter::add(const std::string& name, std::span<const std::byte> bytes, std::size_t alignment) {
  const std::string extra = padding_field(at_ + kZipLocalBytes + name.size(), alignment);
  const std::string common = common_part(name, bytes);
  RTDETR_CHECK(entries_ < kMostZipEntries, "an archive to be written gets more than 65,534 entries");
  RTDETR_CHECK(at_ + kZipLocalBytes + name.size() + extra.size() + bytes.size() <= kMostZipBytes,
               "an archive to be written gets larger than 4 GiB");
  directory_ += "PK\x01\x02" + little_endian_text(0, 4) + common + little_endian_text(0, 2) + little_endian_text(0, 2) +
                little_endian_text(0, 2) + little_endian_text(0, 2) + little_endian_text(0, 4) +
                little_endian_text(at_, 4) + name;
  ++entries_;
  write("PK\x03\x04" + little_endian_text(0, 2) + common + little_endian_text(extra.size(), 2) + name + extra);
  write(bytes);
}

void ZipWriter::add(const std::string& name, std::string_view text) { add(name, std::as_bytes(std::span(text))); }

void ZipWriter::finish() {
  RTDETR_CHECK(at_ + directory_.size() <= kMostZipBytes, "an archive to be written gets larger than 4 GiB");
  const std::string end = "PK\x05\x06" + little_endian_text(0, 4) + little_endian_text(entries_, 2) +
                          little_endian_text(entries_, 2) + little_endian_text(directory_.size(), 4) +
                          little_endian_text(at_, 4) + little_endian_text(0, 2);
  write(directory_ + end);
}

void ZipWriter::write(std::span<const std::byte> bytes) {
  sink_.write(bytes);
  at_ += bytes.size();
}

void ZipWriter::write(const std::string& text) { write(std::as_bytes(std::span(text))); }

}  // namespace rtdetr
