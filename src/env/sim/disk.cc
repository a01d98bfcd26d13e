#include "src/env/sim/disk.h"

#include <algorithm>
#include <cstring>

namespace cairn::env::sim {
namespace {

Status NotFound(const std::string& path) {
  return Status(StatusCode::kNotFound, path + ": no such file or directory");
}

std::string SectorOf(const std::string& data, uint64_t sector) {
  std::string bytes(kSectorBytes, '\0');
  const uint64_t begin = sector * kSectorBytes;
  if (begin < data.size()) {
    std::memcpy(bytes.data(), data.data() + begin, std::min(kSectorBytes, data.size() - begin));
  }
  return bytes;
}

void PutSector(std::string& data, uint64_t sector, const std::string& bytes) {
  const uint64_t begin = sector * kSectorBytes;
  if (begin >= data.size()) return;
  std::memcpy(data.data() + begin, bytes.data(), std::min(kSectorBytes, data.size() - begin));
}

}  // namespace

Disk::Disk(Random random, DiskOptions options)
    : random_(random), options_(options), root_(std::make_shared<Inode>()) {
  root_->directory = true;
}

Disk::~Disk() = default;

// ---- Names ----

Disk::Place Disk::Find(const std::string& path) const {
  InodePtr at = root_;
  std::string name;
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = path.find('/', begin);
    if (end == std::string::npos) end = path.size();
    const std::string part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (!name.empty()) {
      auto it = at->entries.find(name);
      if (it == at->entries.end() || !it->second->directory) return {};
      at = it->second;
    }
    name = part;
  }
  return {at, name};
}

Disk::InodePtr Disk::Lookup(const std::string& path) const {
  const Place place = Find(path);
  if (place.parent == nullptr) return nullptr;
  if (place.name.empty()) return place.parent;
  auto it = place.parent->entries.find(place.name);
  return it == place.parent->entries.end() ? nullptr : it->second;
}

Result<Disk::InodePtr> Disk::OpenFile(const std::string& path, OpenMode mode) {
  const Place place = Find(path);
  if (place.parent == nullptr || place.name.empty()) return NotFound(path);
  auto it = place.parent->entries.find(place.name);
  if (it != place.parent->entries.end()) {
    if (it->second->directory) return Status(StatusCode::kInternal, path + ": is a directory");
    if (mode == OpenMode::kCreateNew) {
      return Status(StatusCode::kAlreadyExists, path + ": file exists");
    }
    return it->second;
  }
  if (mode == OpenMode::kRead || mode == OpenMode::kReadWrite) return NotFound(path);
  auto file = std::make_shared<Inode>();
  place.parent->entries[place.name] = file;
  changes_.push_back({place.parent, place.name, file, nullptr, ""});
  return file;
}

Status Disk::CreateDirectories(const std::string& path) {
  for (size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    const Place place = Find(part);
    if (place.parent == nullptr) return Status(StatusCode::kInternal, part + ": not a directory");
    if (place.name.empty()) continue;
    auto it = place.parent->entries.find(place.name);
    if (it != place.parent->entries.end()) {
      if (!it->second->directory) return Status(StatusCode::kInternal, part + ": not a directory");
      continue;
    }
    auto made = std::make_shared<Inode>();
    made->directory = true;
    place.parent->entries[place.name] = made;
    changes_.push_back({place.parent, place.name, made, nullptr, ""});
  }
  return OkStatus();
}

Status Disk::Rename(const std::string& from, const std::string& to) {
  const Place source = Find(from);
  const Place target = Find(to);
  if (source.parent == nullptr || !source.parent->entries.contains(source.name)) {
    return NotFound(from);
  }
  if (target.parent == nullptr || target.name.empty()) return NotFound(to);
  InodePtr moved = source.parent->entries[source.name];
  source.parent->entries.erase(source.name);
  target.parent->entries[target.name] = moved;
  changes_.push_back({target.parent, target.name, moved, source.parent, source.name});
  return OkStatus();
}

Status Disk::Remove(const std::string& path) {
  const Place place = Find(path);
  if (place.parent == nullptr) return NotFound(path);
  auto it = place.parent->entries.find(place.name);
  if (it == place.parent->entries.end()) return NotFound(path);
  if (it->second->directory && !it->second->entries.empty()) {
    return Status(StatusCode::kFailedPrecondition, path + ": directory not empty");
  }
  place.parent->entries.erase(it);
  changes_.push_back({place.parent, place.name, nullptr, nullptr, ""});
  return OkStatus();
}

bool Disk::Change::Touches(const Inode* directory) const {
  return parent.get() == directory || from_parent.get() == directory;
}

bool Disk::Change::SharesName(const Change& other) const {
  const auto names = [](const Change& c) {
    return std::array{std::pair{c.parent.get(), &c.name},
                      std::pair{c.from_parent.get(), &c.from_name}};
  };
  for (const auto& [mine, my_name] : names(*this)) {
    for (const auto& [theirs, their_name] : names(other)) {
      if (mine != nullptr && mine == theirs && *my_name == *their_name) return true;
    }
  }
  return false;
}

void Disk::Change::MakeDurable() const {
  if (from_parent != nullptr) from_parent->durable_entries.erase(from_name);
  if (to != nullptr) {
    parent->durable_entries[name] = to;
  } else {
    parent->durable_entries.erase(name);
  }
}

Status Disk::SyncDirectory(const std::string& path) {
  const InodePtr directory = Lookup(path);
  if (directory == nullptr || !directory->directory) return NotFound(path);
  if (random_.Chance(faults_.sync_error)) {
    return Status(StatusCode::kInternal, path + ": input/output error");
  }
  // All of this folder's changes, and those of others that came before them under the same names.
  std::vector<bool> take(changes_.size());
  for (size_t i = changes_.size(); i-- > 0;) {
    take[i] = changes_[i].Touches(directory.get());
    for (size_t later = i + 1; !take[i] && later < changes_.size(); ++later) {
      take[i] = take[later] && changes_[i].SharesName(changes_[later]);
    }
  }
  std::vector<Change> rest;
  for (size_t i = 0; i < changes_.size(); ++i) {
    if (take[i]) {
      changes_[i].MakeDurable();
    } else {
      rest.push_back(std::move(changes_[i]));
    }
  }
  changes_ = std::move(rest);
  return OkStatus();
}

// ---- Contents ----

uint64_t Disk::used_bytes() const {
  uint64_t sum = 0;
  for (const std::string& path : Paths()) sum += Lookup(path)->data.size();
  return sum;
}

Status Disk::RoomFor(const Inode& file, uint64_t size) const {
  if (faults_.capacity_bytes == UINT64_MAX || size <= file.data.size()) return OkStatus();
  if (used_bytes() + (size - file.data.size()) <= faults_.capacity_bytes) return OkStatus();
  return Status(StatusCode::kResourceExhausted, "no space left on device");
}

void Disk::Dirty(Inode& file, uint64_t first_sector, uint64_t last_sector) {
  for (uint64_t s = first_sector; s <= last_sector; ++s) {
    auto stale = file.stale.find(s);
    if (stale != file.stale.end()) {  // written again: the next sync may bring it to the medium
      file.medium.insert_or_assign(s, std::move(stale->second));
      file.stale.erase(stale);
      continue;
    }
    auto [it, fresh] = file.medium.try_emplace(s);
    if (fresh || random_.Chance(options_.writeback_chance)) it->second = SectorOf(file.data, s);
  }
}

void Disk::Resize(Inode& file, uint64_t size) {
  if (size == file.data.size()) return;
  if (size < file.data.size())
    Dirty(file, size / kSectorBytes, (file.data.size() - 1) / kSectorBytes);
  file.data.resize(size);
  file.sizes.push_back(size);
}

void Disk::WritePart(Inode& file, uint64_t offset, std::span<const std::string_view> pieces,
                     size_t bytes) {
  if (bytes == 0) return;
  if (offset + bytes > file.data.size()) Resize(file, offset + bytes);
  Dirty(file, offset / kSectorBytes, (offset + bytes - 1) / kSectorBytes);
  for (const std::string_view piece : pieces) {
    const size_t n = std::min(bytes, piece.size());
    std::memcpy(file.data.data() + offset, piece.data(), n);
    offset += n;
    bytes -= n;
  }
}

Status Disk::WriteAt(Inode& file, uint64_t offset, std::span<const std::string_view> pieces) {
  size_t bytes = 0;
  for (const std::string_view piece : pieces) bytes += piece.size();
  if (random_.Chance(faults_.write_error)) {
    WritePart(file, offset, pieces, random_.Below(bytes + 1));
    return Status(StatusCode::kInternal, "input/output error");
  }
  if (Status s = RoomFor(file, offset + bytes); !s.ok()) return s;
  if (std::exchange(lose_next_write_, false)) return OkStatus();
  if (std::exchange(misdirect_next_write_, false) && !file.data.empty()) {
    offset = random_.Below(file.data.size()) / kSectorBytes * kSectorBytes;
  }
  WritePart(file, offset, pieces, bytes);
  return OkStatus();
}

Status Disk::SetSize(Inode& file, uint64_t size, bool may_shrink) {
  if (Status s = RoomFor(file, size); !s.ok()) return s;
  if (size > file.data.size() || may_shrink) Resize(file, size);
  return OkStatus();
}

Status Disk::Sync(Inode& file) {
  if (random_.Chance(faults_.sync_error)) {
    for (auto& [sector, old] : file.medium) {
      if (random_.Chance(0.5)) file.stale.insert_or_assign(sector, std::move(old));
    }
    file.medium.clear();
    file.sizes = {file.sizes.back()};
    return Status(StatusCode::kInternal, "input/output error");
  }
  file.medium.clear();
  file.sizes = {file.sizes.back()};
  return OkStatus();
}

Duration Disk::SyncTime() {
  const auto drawn = random_.Between(static_cast<uint64_t>(options_.sync_min.count()),
                                     static_cast<uint64_t>(options_.sync_max.count()));
  return Duration(static_cast<int64_t>(static_cast<double>(drawn) * faults_.sync_slowdown));
}

// ---- Power loss ----

void Disk::CrashFile(Inode& file) {
  const size_t step = random_.Below(file.sizes.size());
  const uint64_t size = file.sizes[step];
  // What a truncation on the way cut off reads as zeros, should the file have grown again.
  const uint64_t least = *std::min_element(file.sizes.begin(), file.sizes.begin() + step + 1);
  std::string now = std::move(file.data);
  file.data = now;
  file.data.resize(size);
  const auto restore = [&](uint64_t sector, std::string old) {
    const uint64_t begin = sector * kSectorBytes;
    if (begin + kSectorBytes > least) {
      const uint64_t keep = least > begin ? least - begin : 0;
      std::fill(old.begin() + static_cast<ptrdiff_t>(keep), old.end(), '\0');
    }
    PutSector(file.data, sector, old);
  };
  const double keep_new = random_.Double();  // from "nearly all lost" to "nearly all kept"
  for (auto& [sector, old] : file.medium) {
    if (!random_.Chance(keep_new)) restore(sector, std::move(old));
  }
  for (auto& [sector, old] : file.stale) restore(sector, std::move(old));
  file.medium.clear();
  file.stale.clear();
  file.sizes = {size};
}

void Disk::CrashTree(const InodePtr& directory) {
  directory->entries = directory->durable_entries;
  for (const auto& [name, inode] : directory->entries) {
    if (inode->directory) {
      CrashTree(inode);
    } else {
      CrashFile(*inode);
    }
  }
}

void Disk::PowerLoss() {
  const bool prefix_only = random_.Chance(0.5);
  const size_t prefix = random_.Below(changes_.size() + 1);
  const double keep = random_.Double();
  std::vector<const Change*> lost;
  for (size_t i = 0; i < changes_.size(); ++i) {
    const Change& change = changes_[i];
    bool kept = prefix_only ? i < prefix : random_.Chance(keep);
    for (const Change* earlier : lost) kept = kept && !change.SharesName(*earlier);
    if (kept) {
      change.MakeDurable();
    } else {
      lost.push_back(&change);
    }
  }
  changes_.clear();
  CrashTree(root_);
  locks_.clear();
  lose_next_write_ = false;
  misdirect_next_write_ = false;
}

// ---- Damage ----

bool Disk::FlipBit(const std::string& path, uint64_t offset, int bit) {
  const InodePtr file = Lookup(path);
  if (file == nullptr || file->directory || offset >= file->data.size()) return false;
  const auto flip = [bit](char& byte) { byte = static_cast<char>(byte ^ (1 << bit)); };
  flip(file->data[offset]);
  for (auto* sectors : {&file->medium, &file->stale}) {
    auto it = sectors->find(offset / kSectorBytes);
    if (it != sectors->end()) flip(it->second[offset % kSectorBytes]);
  }
  return true;
}

void Disk::Collect(const Inode& directory, const std::string& prefix,
                   std::vector<std::string>* out) const {
  for (const auto& [name, inode] : directory.entries) {
    if (inode->directory) {
      Collect(*inode, prefix + name + "/", out);
    } else {
      out->push_back(prefix + name);
    }
  }
}

std::vector<std::string> Disk::Paths() const {
  std::vector<std::string> paths;
  Collect(*root_, "/", &paths);
  return paths;
}

}  // namespace cairn::env::sim
