"""Metrics, matching and clustering with scikit-learn and SciPy."""

import torch
from scipy import stats
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import accuracy_score, mean_squared_error, roc_auc_score
from torch import nn
from torch.nn import functional as F


class Classifier(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        return self.head(self.features(x))


def samples(count=12):
    x = torch.randn(count, 4)
    return x, (torch.arange(count) % 2)


def bad_rounded_probability_is_still_tracked():
    model = Classifier(classes=1)
    x, y = samples()
    probability = torch.sigmoid(model(x)).squeeze(1)
    F.binary_cross_entropy(probability, y.float()).backward()
    return accuracy_score(y, probability.round())  # DTL102


def bad_area_under_curve_per_epoch(steps):
    model = Classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scores = []
    for _ in range(steps):
        x, y = samples()
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scores.append(roc_auc_score(y, logits[:, 1]))  # DTL102
    return scores


def bad_two_validation_metrics():
    model = nn.Linear(4, 1).eval()
    x, _ = samples()
    target = x.sum(dim=1)
    predicted = model(x).squeeze(1)
    metrics = {
        "mse": mean_squared_error(target, predicted),  # DTL102
        "rank": stats.spearmanr(predicted, target).statistic,  # DTL102
    }
    return metrics


class Matcher(nn.Module):
    """Assigns predictions to targets at least cost, as set-prediction losses do."""

    def forward(self, boxes, targets):
        cost = torch.cdist(boxes, targets, p=1)
        rows, columns = linear_sum_assignment(cost.cpu())  # DTL102
        return torch.as_tensor(rows), torch.as_tensor(columns)


def bad_hungarian_matching():
    regressor, matcher = nn.Linear(4, 2), Matcher()
    boxes, targets = regressor(torch.randn(5, 4)), torch.randn(3, 2)
    rows, columns = matcher(boxes, targets)
    loss = F.l1_loss(boxes[rows], targets[columns])
    loss.backward()
    return loss.item()


def bad_features_of_a_trained_encoder():
    model = Classifier()
    x, _ = samples()
    features = torch.cat([model.features(part) for part in x.split(4)])
    return PCA(n_components=2).fit_transform(features).shape  # DTL102


def bad_clusters_and_distances():
    codebook = nn.Embedding(6, 3)
    clusters = KMeans(n_clusters=2, n_init=1, random_state=0).fit(codebook.weight)  # DTL102
    return cdist(codebook.weight, clusters.cluster_centers_).shape  # DTL102


def good_matching_under_no_grad():
    class QuietMatcher(Matcher):
        @torch.no_grad()
        def forward(self, boxes, targets):
            cost = torch.cdist(boxes, targets, p=1)
            return linear_sum_assignment(cost)

    regressor, matcher = nn.Linear(4, 2), QuietMatcher()
    boxes, targets = regressor(torch.randn(5, 4)), torch.randn(3, 2)
    rows, columns = matcher(boxes, targets)
    loss = F.l1_loss(boxes[rows], targets[columns])
    loss.backward()
    return loss.item()


def good_matching_of_a_detached_cost():
    regressor = nn.Linear(4, 2)
    boxes, targets = regressor(torch.randn(5, 4)), torch.randn(3, 2)
    cost = torch.cdist(boxes, targets).detach()
    rows, columns = linear_sum_assignment(cost)
    F.l1_loss(boxes[rows], targets[columns]).backward()
    return rows, columns


def good_predicted_classes():
    model = Classifier()
    x, y = samples()
    logits = model(x)
    F.cross_entropy(logits, y).backward()
    top = logits.topk(1).indices.squeeze(1)
    return accuracy_score(y, logits.argmax(dim=1)), accuracy_score(y, top)


def good_thresholded():
    model = Classifier(classes=1)
    x, y = samples()
    probability = torch.sigmoid(model(x)).squeeze(1)
    return accuracy_score(y, probability > 0.5), accuracy_score(y, (probability > 0.5).long())


def good_evaluated_in_inference_mode(steps):
    model = Classifier()
    scores = []
    model.eval()
    with torch.inference_mode():
        for _ in range(steps):
            x, y = samples()
            scores.append(roc_auc_score(y, model(x)[:, 1]))
    model.train()
    return scores


def good_gathered_detached_over_batches(steps):
    model = nn.Linear(4, 1)
    outputs, targets = [], []
    for _ in range(steps):
        x, _ = samples()
        out = model(x).squeeze(1)
        ((out - x.sum(dim=1)) ** 2).mean().backward()
        outputs.append(out.detach())
        targets.append(x.sum(dim=1))
    return mean_squared_error(torch.cat(targets), torch.cat(outputs))


def good_frozen_encoder():
    encoder = Classifier().features
    encoder.requires_grad_(False)
    head = nn.Linear(8, 2)
    x, y = samples()
    features = encoder(x)
    F.cross_entropy(head(features), y).backward()
    return PCA(n_components=2).fit_transform(features).shape


def good_own_function_of_the_same_name():
    def accuracy_score(y, logits):
        return (logits.argmax(dim=1) == y).float().mean().item()

    model = Classifier()
    x, y = samples()
    return accuracy_score(y, model(x))
