#include "sidecar/name_feed.h"

#include "base/log.h"
#include "wire/client.h"

namespace mesh::sidecar {
namespace {

constexpr std::string_view kSocketName = "/kuma-mesh-metric-config.sock";  // as the control plane has it
constexpr std::size_t kLongestSocketPath = 103;                            // of a Unix socket, wherever we run
constexpr auto kNamesPause = std::chrono::milliseconds(250), kFirstNamesPause = std::chrono::milliseconds(50);

}  // namespace

struct NameFeed::State : std::enable_shared_from_this<State> {
  State(wire::EventLoop& loop_in, wire::Strand strand_in, std::string socket_in,
        std::function<void(MeshNames)> on_names_in)
      : loop(loop_in), strand(std::move(strand_in)), socket(std::move(socket_in)), on_names(std::move(on_names_in)) {}

  void fetch() {
    wire::ClientRequest ask;
    ask.url = "http://localhost/dns";
    ask.unix_socket = socket;
    ask.timeout = std::chrono::seconds(3);
    ask.max_response_bytes = 16UL << 20;
    if (!tag.empty()) ask.headers.add("if-none-match", tag);
    wire::fetch(loop, std::move(ask), [weak = weak_from_this(), on = strand](Result<wire::Response> answer) {
      on.post([weak, answer = std::move(answer)] {
        if (const auto self = weak.lock()) self->on_answer(answer);
      });
    });
  }

  void on_answer(const Result<wire::Response>& answer) {
    if (answer && answer->status == 200) take(*answer);
    const bool has_come = answer && has_names;
    timer = strand.after(has_come ? kNamesPause : kFirstNamesPause, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->fetch();
    });
  }

  void take(const wire::Response& answer) {
    tag = std::string(answer.headers.find("etag").value_or(""));
    auto names = parse_mesh_names(answer.body);
    if (names) {
      has_names = true;
      on_names(*std::move(names));
    } else {
      MESH_LOG_WARN("sidecar", "the names of the mesh cannot be read: {}", names.error().message());
    }
  }

  wire::EventLoop& loop;
  wire::Strand strand;
  const std::string socket;
  const std::function<void(MeshNames)> on_names;
  std::string tag;
  bool has_names = false;
  wire::Timer timer;
};

NameFeed::NameFeed(wire::EventLoop& loop, wire::Strand strand, const std::string& work_dir,
                   std::function<void(MeshNames)> on_names)
    : state_(
          std::make_shared<State>(loop, std::move(strand), work_dir + std::string(kSocketName), std::move(on_names))) {
  state_->fetch();
}

NameFeed::~NameFeed() = default;

Status NameFeed::check(const std::string& work_dir) {
  if (work_dir.size() + kSocketName.size() <= kLongestSocketPath) return {};
  return invalid("--work-dir", "is too long for --dns-enabled: names come over a socket in it, whose path may have " +
                                   std::to_string(kLongestSocketPath) + " bytes");
}

bool NameFeed::has_names() const { return state_->has_names; }

}  // namespace mesh::sidecar
