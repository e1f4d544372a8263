#include "store/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "store/contract/store_contract.h"

namespace mesh::contract {
namespace {

using testing::HasSubstr;

const KindRegistry& kinds() {
  static const KindRegistry registry = test_registry();
  return registry;
}

// A folder that goes away with the test.
class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "store-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path file(const char* name = "mesh.db") const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

Result<std::unique_ptr<SqliteStore>> open_at(const std::filesystem::path& path,
                                             std::size_t remembered_deletions = 10'000) {
  return SqliteStore::open({.path = path, .wait_for_lock = 50ms, .limits = {remembered_deletions}}, kinds());
}

std::string why_not(const std::filesystem::path& path) {
  const auto store = open_at(path);
  return store.has_value() ? "it opened" : store.error().message();
}

// A store in a folder of its own, for the contract.
class StoreInFolder final : public Store {
 public:
  explicit StoreInFolder(std::size_t remembered_deletions = 10'000)
      : store_(std::move(open_at(folder_.file(), remembered_deletions).value())) {}
  Result<Revision> write(std::vector<Write> writes) override { return store_->write(std::move(writes)); }
  Result<Resource> get(const ResourceKey& key) const override { return store_->get(key); }
  Result<Page> list(const Query& query) const override { return store_->list(query); }
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop) override {
    return store_->wait_for_changes(after, std::move(stop));
  }
  std::string id() const override { return store_->id(); }

 private:
  Folder folder_;
  std::unique_ptr<SqliteStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract,
                         testing::Values(Backend{
                             .name = "sqlite",
                             .make = [] { return std::make_unique<StoreInFolder>(); },
                             .make_with_short_memory =
                                 [](std::size_t deletions) { return std::make_unique<StoreInFolder>(deletions); },
                         }));

// Another program that has its hands in the file.
void run_sql(const std::filesystem::path& path, const char* sql) {
  sqlite3* connection = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &connection), SQLITE_OK);
  char* message = nullptr;
  EXPECT_EQ(sqlite3_exec(connection, sql, nullptr, nullptr, &message), SQLITE_OK) << message;
  sqlite3_close(connection);
}

// ---- what lasts

TEST(SqliteStore, HasEverythingAgainAfterARestart) {
  const Folder folder;
  Resource resource = make_resource(widget_key("prod", "a"), {.color = "blue", .extra = {{"deep", {1, nullptr}}}});
  resource.labels = {{"team", "red \"1\""}};
  resource.created = resource.modified = SystemTime(1'700'000'000'123'456'789ns);
  std::string id;
  Revision last = 0;
  {
    auto store = open_at(folder.file()).value();
    id = store->id();
    store->write(only(put(mesh_key("prod")))).value();
    store->write(only(put(resource))).value();
    store->write(only(put(make_resource(gadget_key("owned")), {}, widget_key("prod", "a")))).value();
    store->write(only(put(gadget_key("gone")))).value();
    last = store->write(only(erase(gadget_key("gone")))).value();
  }
  auto store = open_at(folder.file()).value();
  EXPECT_EQ(store->id(), id);
  const Resource stored = store->get(resource.key).value();
  EXPECT_EQ(stored.labels, resource.labels);
  EXPECT_EQ(stored.created, resource.created);
  EXPECT_EQ(stored.revision, 2U);
  EXPECT_EQ(stored.spec_as<TestSpec>(), resource.spec_as<TestSpec>());
  EXPECT_FALSE(store->get(gadget_key("gone")).has_value());

  EXPECT_EQ(store->write(only(erase(widget_key("prod", "a")))).value(), last + 2) << "revisions go on where they were";
  EXPECT_FALSE(store->get(gadget_key("owned")).has_value()) << "owners are remembered";
}

TEST(SqliteStore, LeadsReadersOfBeforeARestartToTheContent) {
  const Folder folder;
  Picture reader;
  {
    auto store = open_at(folder.file()).value();
    store->write(only(put(gadget_key("a")))).value();
    store->write(only(put(gadget_key("b")))).value();
    reader.fold(store->wait_for_changes(0, {}).value());
    store->write(only(erase(gadget_key("a")))).value();
  }
  auto store = open_at(folder.file()).value();
  reader.fold(store->wait_for_changes(reader.upto, {}).value());
  EXPECT_EQ(reader.colors.size(), 1U);
  EXPECT_TRUE(reader.colors.contains(gadget_key("b").to_string()));
}

// A child that writes as fast as it can and says each name after it was answered.
[[noreturn]] void write_and_tell(const std::filesystem::path& path, int tell) {
  auto store = open_at(path).value();
  std::vector<std::jthread> writers;
  for (int writer = 0; writer < 4; ++writer)
    writers.emplace_back([&, writer] {
      for (int i = 0;; ++i) {
        const std::string name = std::to_string(writer) + "-" + std::to_string(i);
        if (!store->write(only(put(gadget_key(name)))).has_value()) _exit(1);
        const std::string line = name + "\n";
        if (::write(tell, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(1);
      }
    });
  writers.clear();
  _exit(0);
}

TEST(SqliteStore, LosesNothingThatWasAnsweredWhenKilled) {
  const Folder folder;
  for (const std::size_t enough : {50UL, 300UL}) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) write_and_tell(folder.file(), ends[1]);
    close(ends[1]);
    std::string told;
    for (char buffer[4096]; static_cast<std::size_t>(std::ranges::count(told, '\n')) < enough;) {
      const ssize_t got = read(ends[0], buffer, sizeof buffer);
      if (got <= 0) break;
      told.append(buffer, static_cast<std::size_t>(got));
    }
    kill(child, SIGKILL);
    for (char buffer[4096];;) {  // what was answered before the blow landed
      const ssize_t got = read(ends[0], buffer, sizeof buffer);
      if (got <= 0) break;
      told.append(buffer, static_cast<std::size_t>(got));
    }
    close(ends[0]);
    waitpid(child, nullptr, 0);

    auto store = open_at(folder.file()).value();
    std::size_t answered = 0;
    for (std::size_t start = 0, end; (end = told.find('\n', start)) != std::string::npos; start = end + 1, ++answered)
      EXPECT_TRUE(store->get(gadget_key(told.substr(start, end - start))).has_value())
          << told.substr(start, end - start);
    EXPECT_GE(answered, enough);
  }
}

TEST(SqliteStore, KeepsItsFileFromOtherUsers) {
  const Folder folder;
  auto store = open_at(folder.file("new/folder/mesh.db")).value();
  struct stat status{};
  ASSERT_EQ(stat(folder.file("new/folder/mesh.db").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  ASSERT_EQ(stat(folder.file("new/folder/mesh.db-wal").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

// ---- what may be wrong with the file

TEST(SqliteStore, RefusesASecondOwner) {
  const Folder folder;
  auto first = open_at(folder.file()).value();
  EXPECT_THAT(why_not(folder.file()), AllOf(HasSubstr(folder.file().string()), HasSubstr("another process uses it")));
  first.reset();
  EXPECT_TRUE(open_at(folder.file()).has_value());
}

TEST(SqliteStore, RefusesWhatIsNoDatabase) {
  const Folder folder;
  std::ofstream(folder.file()) << std::string(5000, 'x');
  EXPECT_THAT(why_not(folder.file()), AllOf(HasSubstr(folder.file().string()), HasSubstr("not a SQLite database")));
}

TEST(SqliteStore, RefusesTheDatabaseOfAnotherProgram) {
  const Folder folder;
  run_sql(folder.file(), "CREATE TABLE shopping (item TEXT)");
  EXPECT_THAT(why_not(folder.file()), HasSubstr("another program"));
}

TEST(SqliteStore, RefusesASchemaThatItDoesNotKnow) {
  const Folder folder;
  open_at(folder.file()).value().reset();
  run_sql(folder.file(), "PRAGMA user_version = 99");
  EXPECT_THAT(why_not(folder.file()), HasSubstr("schema 99"));
}

TEST(SqliteStore, RefusesADamagedFile) {
  const Folder folder;
  {
    auto store = open_at(folder.file()).value();
    for (int i = 0; i < 200; ++i) store->write(only(put(gadget_key(std::to_string(i)), std::string(500, 'c')))).value();
  }
  {
    std::fstream file(folder.file(), std::ios::in | std::ios::out | std::ios::binary);
    for (int page = 3; page < 20; ++page) {
      file.seekp(page * 4096L);
      file << std::string(4096, 'x');
    }
  }
  EXPECT_THAT(why_not(folder.file()), AllOf(HasSubstr(folder.file().string()), HasSubstr("damaged")));
}

TEST(SqliteStore, RefusesAFolderInTheWay) {
  const Folder folder;
  EXPECT_THAT(why_not(folder.file("").parent_path()), HasSubstr("cannot open the store"));
}

TEST(SqliteStore, LeavesOutWhatItCannotReadAndKeepsTheRest) {
  const Folder folder;
  {
    auto store = open_at(folder.file()).value();
    store->write(only(put(mesh_key("prod")))).value();
    for (const char* name : {"good", "bad", "ugly"}) store->write(only(put(widget_key("prod", name)))).value();
  }
  run_sql(folder.file(),
          "UPDATE resources SET spec = '{\"color\": 1}' WHERE name = 'bad';"
          "UPDATE resources SET spec = '{{{' WHERE name = 'ugly';"
          "INSERT INTO resources SELECT 'Unheard', mesh, 'x', 99, 0, 0, '{}', owner_kind, owner_mesh, owner_name, "
          "spec, status "
          "FROM resources WHERE name = 'good'");
  {
    auto store = open_at(folder.file()).value();
    Query all;
    all.kind = &kWidget;
    EXPECT_THAT(names(store->list(all).value().items), ElementsAre("good"));
    store->write(only(put(make_resource(widget_key("prod", "bad")), Expect::absent()))).value();
  }
  {
    auto store = open_at(folder.file()).value();
    EXPECT_TRUE(store->get(widget_key("prod", "bad")).has_value()) << "written anew";
    store->write(only(erase(mesh_key("prod")))).value();
  }
  std::string left;
  sqlite3* connection = nullptr;
  ASSERT_EQ(sqlite3_open(folder.file().c_str(), &connection), SQLITE_OK);
  sqlite3_exec(
      connection, "SELECT kind || ' ' || name FROM resources",
      [](void* out, int, char** columns, char**) {
        *static_cast<std::string*>(out) += columns[0];
        return 0;
      },
      &left, nullptr);
  sqlite3_close(connection);
  EXPECT_EQ(left, "") << "what cannot be read goes with its mesh too";
}

// ---- a disk without space

// No file may grow beyond this while it lives: the kernel refuses writes as a full disk or a quota would.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST(SqliteStore, WritesAllOrNothingOnAFullDiskAndGoesOnWhenThereIsSpace) {
  const Folder folder;
  std::set<std::string> answered;
  auto store = open_at(folder.file()).value();
  std::string reason;
  const auto add = [&](int i) {
    std::vector<Write> pair;
    for (const char* half : {"left-", "right-"})
      pair.push_back(put(gadget_key(half + std::to_string(i)), std::string(20'000, 'c')));
    const Result<Revision> written = store->write(std::move(pair));
    if (written.has_value()) answered.insert(std::to_string(i));
    if (!written.has_value()) {
      reason = written.error().message();
      EXPECT_EQ(written.error().kind, ErrorKind::Unavailable);
    }
  };
  {
    const FullDisk full(400'000);
    for (int i = 0; i < 30; ++i) add(i);
    EXPECT_THAT(reason, HasSubstr(folder.file().string()));
    EXPECT_LT(answered.size(), 30U);
    EXPECT_GT(answered.size(), 2U);
  }
  add(100);
  EXPECT_TRUE(answered.contains("100")) << reason;

  const auto holds_exactly_what_was_answered = [&] {
    Query all;
    all.kind = &kGadget;
    EXPECT_EQ(store->list(all).value().total, answered.size() * 2);
    for (const std::string& name : answered)
      EXPECT_TRUE(store->get(gadget_key("left-" + name)).has_value() &&
                  store->get(gadget_key("right-" + name)).has_value());
  };
  holds_exactly_what_was_answered();
  store.reset();
  store = open_at(folder.file()).value();
  holds_exactly_what_was_answered();
}

TEST(SqliteStore, SaysSoWhenThereIsNoSpaceToStart) {
  const Folder folder;
  const FullDisk full(1000);
  EXPECT_THAT(why_not(folder.file()), HasSubstr(folder.file().string()));
}

}  // namespace
}  // namespace mesh::contract
