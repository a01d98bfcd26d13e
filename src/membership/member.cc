#include "src/membership/member.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "src/base/check.h"
#include "src/base/wire.h"

namespace cairn::membership {
namespace {

constexpr uint8_t kRecordVersion = 1;

uint64_t FirstBytesOfSha1(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  CHECK_EQ(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha1(), nullptr), 1);
  uint64_t v = 0;
  for (size_t i = 0; i < 8; ++i) v = v << 8 | digest[i];
  return v;
}

void WriteList(WireWriter& writer, const std::vector<std::string>& list) {
  writer.Varint(list.size());
  for (const std::string& s : list) writer.String(s);
}

std::vector<std::string> ReadList(WireReader& reader) {
  std::vector<std::string> list;
  for (uint64_t n = reader.Varint(); n > 0 && reader.ok(); --n) list.emplace_back(reader.String());
  return list;
}

}  // namespace

NodeId MemberId(std::vector<std::string> peer_urls, std::string_view token,
                std::optional<int64_t> unix_seconds) {
  std::sort(peer_urls.begin(), peer_urls.end());
  std::string input;
  for (const std::string& url : peer_urls) input += url;
  input += token;
  if (unix_seconds) input += std::to_string(*unix_seconds);
  return NodeId(FirstBytesOfSha1(input));
}

ClusterId MakeClusterId(std::vector<NodeId> members) {
  std::sort(members.begin(), members.end());
  std::string input;
  for (const NodeId id : members) {
    for (int shift = 56; shift >= 0; shift -= 8) {
      input.push_back(static_cast<char>(id.value >> shift & 0xff));
    }
  }
  return ClusterId(FirstBytesOfSha1(input));
}

std::string EncodeMember(const Member& member) {
  std::string record;
  WireWriter writer(&record);
  writer.U8(kRecordVersion);
  writer.U64(member.id.value);
  writer.U8(member.is_learner ? 1 : 0);
  writer.String(member.name);
  WriteList(writer, member.peer_urls);
  WriteList(writer, member.client_urls);
  return record;
}

Result<Member> DecodeMember(std::string_view record) {
  WireReader reader(record);
  const uint8_t version = reader.U8();
  Member member;
  member.id = NodeId(reader.U64());
  const uint8_t learner = reader.U8();
  member.is_learner = learner == 1;
  member.name = reader.String();
  member.peer_urls = ReadList(reader);
  member.client_urls = ReadList(reader);
  if (version != kRecordVersion || learner > 1 || !reader.done()) {
    return Status(StatusCode::kDataLoss, "the record of a member in the store is damaged");
  }
  return member;
}

}  // namespace cairn::membership
