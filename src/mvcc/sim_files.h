// SimFiles: SortedFiles as plain files on env::FileSystem, held in memory while open. For the
// simulator, where window, flush and recovery run as they ship over it, with power cuts at any file
// operation; and for tests.
//
// In its folder: NNNNNN.run, one batch each (or several merged), written once; and MANIFEST, which
// names the runs that count, with their checksums, and is replaced in one step. A batch is durable
// with its manifest; a run that no manifest names is what a crash left behind, and is removed at
// the next Open.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/env/file.h"
#include "src/mvcc/sorted_files.h"

namespace cairn::mvcc {

class SimFiles final : public SortedFiles {
 public:
  // `folder` is created if missing. DataLoss when something in it is damaged. `files` outlives it.
  static Result<std::unique_ptr<SimFiles>> Open(env::FileSystem& files, std::string folder);

  Result<bool> Get(Family family, std::string_view key, std::string* value) override;
  using SortedFiles::NewCursor;
  std::unique_ptr<Cursor> NewCursor(Family family, Reach reach) override;
  std::unique_ptr<Batch> NewBatch() override;
  uint64_t SizeBytes() const override;

  // One entry of a run; no value: the key is deleted.
  using Entry = std::pair<std::string, std::optional<std::string>>;
  struct Run {
    uint64_t number = 0;
    uint64_t size = 0;
    uint64_t checksum = 0;
    std::array<std::vector<Entry>, kFamilies> families;
  };
  using Runs = std::vector<std::shared_ptr<const Run>>;  // oldest first

 private:
  class BatchImpl;

  SimFiles(env::FileSystem& files, std::string folder)
      : files_(files), folder_(std::move(folder)) {}
  Status Load();
  Status LoadRun(Run* run);
  Status Commit(std::shared_ptr<Run> run);
  Status WriteRun(Run* run);
  Status WriteManifest(const Runs& runs);
  std::string RunPath(uint64_t number) const;
  std::shared_ptr<const Runs> runs() const;

  env::FileSystem& files_;
  const std::string folder_;
  uint64_t next_number_ = 1;  // the batch's thread only
  // Readers take the runs as they stand; a batch on another thread puts new ones in their place.
  mutable std::mutex mutex_;
  std::shared_ptr<const Runs> runs_ = std::make_shared<Runs>();
};

}  // namespace cairn::mvcc
