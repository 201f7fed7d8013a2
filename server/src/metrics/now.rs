//! How things stand at this moment: read when somebody asks, and by nobody else.

use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use super::float;
use crate::admission::Load;
use crate::audit::Audit;
use crate::routes::health;
use crate::serving::Serving;
use crate::state::AppState;

/// Of a queue: `queue` is `model` for the one before an engine, with the `model`'s name where it is here, and `files` for
/// the one before the reading of companies' files.
type Labels = Vec<(&'static str, String)>;

/// All of it.
pub(super) fn registry(app: &AppState) -> Registry {
    let mut registry = Registry::default();
    server(app, &mut registry);
    queues(app, &mut registry);
    kv_cache(app, &mut registry);
    process(&mut registry);
    registry
}

fn server(app: &AppState, registry: &mut Registry) {
    let version = Family::<[(&str, &str); 1], Gauge>::default();
    version.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
    registry.register("zyron_build_info", "This program's version", version);
    let mut is = |name: &str, help: &str, value: bool| registry.register(name, help, ConstGauge::new(i64::from(value)));
    is("zyron_ready", "Whether it can be sent requests, as /health/ready says", health::readiness(app).is_ok());
    let is_failing = app.audit().is_some_and(Audit::is_failing);
    is("zyron_audit_failing", "Whether the audit log cannot be written, and requests get 503", is_failing);
    is("zyron_draining", "Whether it is shutting down", app.is_draining());
    let models = app.models().loaded();
    is("zyron_model_loaded", "Whether a model is loaded; never where requests are passed on", !models.is_empty());
    let info = Family::<Labels, Gauge>::default();
    let memory = Family::<Labels, Gauge>::default();
    for serving in models {
        let model = &serving.model;
        let labels = vec![
            ("model", model.id.clone()),
            ("engine", serving.engine.name().to_owned()),
            ("quantization", model.quantization.clone()),
        ];
        info.get_or_create(&labels).set(1);
        memory.get_or_create(&of_model(&serving)).set(int(serving.memory_bytes));
    }
    registry.register("zyron_model_info", "A model that is loaded", info);
    registry.register_with_unit("zyron_model_memory", "What a model takes, as far as known", Unit::Bytes, memory);
}

fn of_model(serving: &Serving) -> Labels {
    vec![("model", serving.model.id.clone())]
}

fn queues(app: &AppState, registry: &mut Registry) {
    let gauge = Family::<Labels, Gauge>::default;
    let (running, running_limit, waiting, waiting_limit, tokens) = (gauge(), gauge(), gauge(), gauge(), gauge());
    let refused = Family::<Labels, Counter>::default();
    let models = app.models().loaded();
    let queue = |name: &str| ("queue", name.to_owned());
    let engines = models.iter().map(|serving| ([vec![queue("model")], of_model(serving)].concat(), &serving.admission));
    let upstream = app.upstream().map(|servers| (vec![queue("model")], &servers.admission));
    let files = (vec![queue("files")], app.reading());
    for (labels, admission) in engines.chain(upstream).chain([files]) {
        let load = admission.load();
        let Load { running: runs, running_limit: may_run, waiting: waits, waiting_limit: may_wait, .. } = load;
        for (gauge, count) in
            [(&running, runs), (&running_limit, may_run), (&waiting, waits), (&waiting_limit, may_wait)]
        {
            gauge.get_or_create(&labels).set(int(count as u64));
        }
        tokens.get_or_create(&labels).set(int(load.waiting_tokens));
        for (reason, count) in load.refused {
            let labels = [labels.clone(), vec![("reason", reason.to_owned())]].concat();
            refused.get_or_create(&labels).inc_by(count);
        }
    }
    if let Some(batches) = app.batches() {
        let left = ConstGauge::new(int(batches.left()));
        registry.register("zyron_batch_requests", "Requests of batches that are not answered", left);
    }
    registry.register("zyron_running_requests", "Requests that are worked on", running);
    registry.register("zyron_running_requests_limit", "Requests that are worked on at once at most", running_limit);
    registry.register("zyron_waiting_requests", "Requests that wait for their turn", waiting);
    registry.register("zyron_waiting_requests_limit", "Requests that may wait", waiting_limit);
    registry.register("zyron_waiting_tokens", "Tokens of the prompts that wait, as far as known", tokens);
    registry.register("zyron_refused_requests", "Requests refused (429), because there was no place for them", refused);
}

fn kv_cache(app: &AppState, registry: &mut Registry) {
    let gauge = Family::<Labels, Gauge>::default;
    let (used, kept, size) = (gauge(), gauge(), gauge());
    for serving in app.models().loaded() {
        let Some(kv_cache) = serving.engine.kv_cache() else { continue };
        let labels = of_model(&serving);
        for (gauge, tokens) in
            [(&used, kv_cache.used_tokens), (&kept, kv_cache.kept_tokens), (&size, kv_cache.size_tokens)]
        {
            gauge.get_or_create(&labels).set(int(tokens as u64));
        }
    }
    registry.register("zyron_kv_cache_used_tokens", "Tokens in the KV cache, of requests that run", used);
    let help = "Tokens in the KV cache, of past requests; given up when needed";
    registry.register("zyron_kv_cache_kept_tokens", help, kept);
    registry.register("zyron_kv_cache_size_tokens", "Tokens that the KV cache has room for", size);
}

/// What every Prometheus client says of its process, under the same names.
fn process(registry: &mut Registry) {
    let Ok(pid) = sysinfo::get_current_pid() else { return };
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    let Some(process) = system.process(pid) else { return };
    let cpu = ConstCounter::new(float(process.accumulated_cpu_time()) / 1000.0);
    registry.register_with_unit("process_cpu", "CPU time used", Unit::Seconds, cpu);
    for (name, help, bytes) in [
        ("process_resident_memory", "Memory in use", process.memory()),
        ("process_virtual_memory", "Memory that is mapped", process.virtual_memory()),
    ] {
        registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(int(bytes)));
    }
    let start = ConstGauge::new(int(process.start_time()));
    registry.register_with_unit("process_start_time", "When it started, since 1970", Unit::Seconds, start);
    for (name, help, count) in [
        ("process_open_fds", "Files and connections that are open", process.open_files()),
        ("process_max_fds", "Files and connections that may be open", process.open_files_limit()),
    ] {
        if let Some(count) = count {
            registry.register(name, help, ConstGauge::new(int(count as u64)));
        }
    }
}

fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
